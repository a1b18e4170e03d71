import Datagrams
import Testing

@Suite struct EndpointTests {
  @Test(arguments: ["192.0.2.1:3478", "[2001:db8::1]:65535", "0.0.0.0:0"])
  func endpointsAreReadAsTheyAreWritten(_ text: String) {
    #expect(Endpoint(text)?.description == text)
  }

  @Test(arguments: [
    "", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:+1", "[::1]", "::1:5:", "a:1", "[1.2.3.4]:5",
  ])
  func malformedEndpointsAreRefused(_ text: String) {
    #expect(Endpoint(text) == nil)
  }

  @Test func hostsKeepTheirPortIfAny() {
    #expect(HostAndPort("stun.example.org") == HostAndPort(host: "stun.example.org", port: nil))
    #expect(HostAndPort("stun.example.org:3479") == HostAndPort(host: "stun.example.org", port: 3479))
    #expect(HostAndPort("2001:db8::1") == HostAndPort(host: "2001:db8::1", port: nil))
    #expect(HostAndPort("[2001:db8::1]:1")?.description == "[2001:db8::1]:1")
    #expect(HostAndPort("with space") == nil)
  }

  /// inet_pton(3) and getaddrinfo(3) would read what stands before it.
  @Test func textsWithANULAreNoAddresses() {
    #expect(IPAddress("192.0.2.1\0x") == nil)
    #expect(IPAddress("2001:db8::1\0") == nil)
    #expect(HostAndPort("stun.example.org\0.example.net:3478") == nil)
    #expect(Endpoint("192.0.2.1\0:3478") == nil)
  }

  @Test func addressesSurviveTheirBytes() {
    for text in ["203.0.113.7", "2001:db8::42"] {
      let address = IPAddress(text)
      #expect(address.flatMap { IPAddress(bytes: $0.bytes) } == address)
    }
    #expect(IPAddress("::ffff:192.0.2.9")?.unmapped == IPAddress("192.0.2.9"))
  }

  @Test func instantsDoNotOverflow() {
    #expect(Instant.distantFuture.advanced(by: .seconds(1)) == .distantFuture)
    #expect(Instant.zero.advanced(by: .milliseconds(1500)).nanoseconds == 1_500_000_000)
    #expect(Instant(nanoseconds: 5).duration(to: Instant(nanoseconds: 2)) == .nanoseconds(-3))
  }
}
