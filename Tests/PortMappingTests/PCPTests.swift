import Datagrams
import PlexusTesting
import Testing

@testable import PortMapping

@Suite struct PCPTests {
  private let client = IPAddress.v4(0xC612_000A)
  private let router = IPAddress.v4(0xC612_0001)
  private let request = MappingRequest(inner: 4000, lifetime: .seconds(600))

  /// What RFC 6887 figure 10 shows, field by field.
  private func mapResponse(
    result: UInt8 = 0, lifetime: UInt32 = 600, epoch: UInt32 = 7, nonce: [UInt8]? = nil, inner: UInt16 = 4000,
    external: Endpoint = Endpoint(address: .v4(0xCB00_710A), port: 5000)
  ) -> [UInt8] {
    func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }
    return [2, 0x81, 0, result] + bytes(lifetime) + bytes(epoch) + [UInt8](repeating: 0, count: 12)
      + (nonce ?? request.nonce.bytes) + [17, 0, 0, 0] + bytes(inner) + bytes(external.port)
      + [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + external.address.bytes
  }

  private func exchange(_ now: Instant = .zero) -> PCPExchange {
    PCPExchange(
      .map(request), router: router, request: PCPMessage.mapRequest(request, lifetime: 600, client: client),
      patience: .seconds(1), now: now)
  }

  private func fromRouter(_ payload: [UInt8]) -> Datagram {
    Datagram(from: Endpoint(address: router, port: PCPMessage.port), payload: payload)
  }

  @Test func aRequestIsWrittenAsTheRFCDrawsIt() {
    let bytes = PCPMessage.mapRequest(request, lifetime: 600, client: client)
    #expect(bytes.count == 60)
    #expect(Array(bytes[..<8]) == [2, 1, 0, 0, 0, 0, 2, 0x58])
    #expect(Array(bytes[8..<24]) == [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 0xC6, 0x12, 0, 10])
    #expect(Array(bytes[24..<36]) == request.nonce.bytes)
    #expect(Array(bytes[36..<44]) == [17, 0, 0, 0, 0x0F, 0xA0, 0x0F, 0xA0])
    #expect(Array(bytes[44...]) == [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 0, 0, 0, 0])
  }

  @Test func aRemovalSuggestsNoPort() {
    let bytes = PCPMessage.mapRequest(request, lifetime: 0, client: client)
    #expect(Array(bytes[4..<8]) == [0, 0, 0, 0])
    #expect(Array(bytes[40..<44]) == [0x0F, 0xA0, 0, 0])
  }

  @Test func aMappingIsRead() throws {
    guard case .map(let header, let mapping) = PCPMessage.decodeResponse(mapResponse()) else {
      Issue.record("no mapping")
      return
    }
    #expect(header == PCPMessage.Header(result: .success, lifetime: 600, epoch: 7))
    #expect(mapping.external == Endpoint("203.0.113.10:5000"))
    #expect(mapping.inner == 4000 && mapping.nonce == request.nonce)
  }

  @Test func whatIsCutOffIsNoResponse() {
    let whole = mapResponse()
    for length in whole.indices {
      let decoded = PCPMessage.decodeResponse(Array(whole[..<length]))
      #expect(decoded == nil, "\(length) bytes")
    }
    #expect(PCPMessage.decodeResponse(whole + [UInt8](repeating: 0, count: 1100)) == nil)
  }

  @Test func aRouterOfNATPMPIsRecognised() {
    #expect(PCPMessage.decodeResponse([0, 0x80, 0, 1, 0, 0, 0, 1]) == .otherVersion(0))
  }

  @Test(
    arguments: [
      ("another's nonce", [UInt8](repeating: 9, count: 12), 4000), ("another port", nil, 4001),
    ] as [(String, [UInt8]?, UInt16)])
  func anAnswerToAnotherRequestIsIgnored(_ what: String, _ nonce: [UInt8]?, _ inner: UInt16) {
    var exchange = exchange()
    exchange.receive(fromRouter(mapResponse(nonce: nonce, inner: inner)), now: .zero)
    #expect(exchange.pollOutcome() == nil)
    exchange.receive(fromRouter(mapResponse()), now: .zero)
    #expect(exchange.pollOutcome() != nil)
  }

  @Test func strangersAreNotListenedTo() {
    var exchange = exchange()
    exchange.receive(Datagram(from: Endpoint(address: router, port: 99), payload: mapResponse()), now: .zero)
    exchange.receive(Datagram(from: Endpoint(address: client, port: 5351), payload: mapResponse()), now: .zero)
    #expect(exchange.pollOutcome() == nil)
  }

  @Test func aSilentRouterIsAskedThreeTimesMoreAndGivenUp() {
    var exchange = exchange()
    var sent = 0
    var now = Instant.zero
    while exchange.pollOutcome() == nil {
      while exchange.pollTransmit() != nil { sent += 1 }
      now = exchange.pollTimeout() ?? now
      exchange.handleTimeout(now: now)
    }
    #expect(sent == 4)
    #expect(now == Instant.zero.advanced(by: .seconds(1)))
    #expect(exchange.pollOutcome() == .some(nil))
    #expect(exchange.pollTransmit() == nil)
  }

  /// Whether each of the numbers was believed; they came after that many seconds.
  private func beliefs(_ told: [(seconds: Int, epoch: UInt32)]) -> [Bool] {
    var epoch = PCPEpoch()
    return told.map { epoch.isContinued($0.epoch, now: Instant.zero.advanced(by: .seconds($0.seconds))) }
  }

  @Test func anEpochThatGoesOnIsBelieved() {
    // The last by a clock that is slow, as RFC 6887 8.5 allows.
    #expect(beliefs([(0, 1000), (300, 1300), (600, 1583)]) == [true, true, true])
  }

  @Test func aRestartShows() {
    // After the third it was off for long, and then counted on.
    #expect(
      beliefs([(0, 1000), (300, 5), (600, 305), (1200, 310), (1300, .max)]) == [true, false, true, false, false])
  }
}
