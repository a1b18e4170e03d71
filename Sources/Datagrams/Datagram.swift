/// A datagram that came in.
public struct Datagram: Hashable, Sendable {
  /// Who sent it, as the network shows it.
  public var source: Endpoint
  /// What it carries.
  public var payload: [UInt8]

  /// A datagram of `payload` from `source`.
  public init(from source: Endpoint, payload: [UInt8]) {
    self.source = source
    self.payload = payload
  }
}

/// A datagram that a protocol core wants sent.
public struct Transmit: Hashable, Sendable {
  /// Where to.
  public var destination: Endpoint
  /// What it carries.
  public var payload: [UInt8]
  /// IPv4 time to live or IPv6 hop limit of this one datagram, 1 to 255; nil leaves the socket's own.
  public var hopLimit: UInt8?

  /// A datagram of `payload` to `destination`.
  public init(to destination: Endpoint, payload: [UInt8], hopLimit: UInt8? = nil) {
    self.destination = destination
    self.payload = payload
    self.hopLimit = hopLimit
  }
}
