import Datagrams

/// Asks for the router's UPnP device (UPnP Device Architecture 1.1, section 1.3.2), without I/O: by multicast, and the router itself, because
/// many a Wi-Fi loses multicasts.
struct SSDPSearch: DatagramCore {
  /// Where the description of the router's device is; nil if it did not answer in time.
  typealias Outcome = DeviceURL?

  static let port: UInt16 = 1900
  private static let group = IPAddress.v4(0xEFFF_FFFA)  // 239.255.255.250
  /// Devices of version 2 answer to version 1. The services are for devices that do not answer to their own name.
  private static let targets = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1", "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
  ]
  /// When all is sent again: a datagram may get lost.
  private static let repeatAfter: Duration = .milliseconds(400)
  /// No device has a longer answer.
  private static let maximumLength = 2048

  private let router: IPAddress
  private let deadline: Instant
  private var repeatAt: Instant?
  private var pending: [Transmit]
  private var outcome: Outcome?

  /// - Parameter patience: devices answer within a second, as they are told.
  init(router: IPAddress, patience: Duration, now: Instant) {
    self.router = router
    deadline = now.advanced(by: patience)
    repeatAt = now.advanced(by: Self.repeatAfter)
    pending = Self.requests(to: router)
  }

  private static func requests(to router: IPAddress) -> [Transmit] {
    [router, group].flatMap { address in
      targets.map { target in
        let text =
          "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: \(target)\r\n\r\n"
        return Transmit(to: Endpoint(address: address, port: port), payload: Array(text.utf8))
      }
    }
  }

  mutating func pollTransmit() -> Transmit? { pending.isEmpty ? nil : pending.removeFirst() }

  func pollOutcome() -> Outcome? { outcome }

  func pollTimeout() -> Instant? { outcome == nil ? min(repeatAt ?? deadline, deadline) : nil }

  mutating func receive(_ datagram: Datagram, now: Instant) {
    guard outcome == nil, datagram.source.address == router,
      let location = Self.location(in: datagram.payload), let url = DeviceURL(location, of: router)
    else { return }
    outcome = .some(url)
  }

  /// The value of LOCATION in an answer to a search for a gateway.
  static func location(in bytes: [UInt8]) -> String? {
    guard bytes.count <= maximumLength, bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false) { $0.isNewline }
    guard let status = lines.first, status.hasPrefix("HTTP/1."), status.split(separator: " ").dropFirst().first == "200"
    else { return nil }
    func value(_ name: String) -> String? {
      for line in lines.dropFirst() {
        guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name else { continue }
        return String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " })
      }
      return nil
    }
    guard let target = value("st"), targets.contains(where: { target.hasPrefix($0.dropLast(2)) }) else { return nil }
    return value("location")
  }

  mutating func handleTimeout(now: Instant) {
    guard outcome == nil else { return }
    guard now < deadline else {
      outcome = .some(nil)
      return
    }
    guard let due = repeatAt, now >= due else { return }
    repeatAt = nil
    pending += Self.requests(to: router)
  }

  /// One of the two ways may be closed.
  mutating func handleSent(_ transmit: Transmit, failure: (any Error)?, now: Instant) {}
}
