import Datagrams

/// A STUN server (RFC 8489, RFC 5780) without I/O: what it answers to a datagram, and from which of its sockets.
///
/// It answers well-formed Binding requests and nothing else. Its answers are at most 72 bytes longer than the requests
/// (three addresses of IPv6), PADDING is never echoed, and each source has a rate: it is of no use for amplification.
/// RFC 3489 clients, who know no magic cookie, get the attributes of their time.
public struct STUNServerCore: Sendable {
  /// The limits that protect the server and those whose address others forge.
  public struct Limits: Hashable, Sendable {
    /// For each source address (IPv6: /64). One full exploration sends about 20 requests a second, and several hosts may
    /// share a NAT.
    public var perSource: RateLimit
    /// For all sources together.
    public var total: RateLimit
    /// How many sources are remembered, twice.
    public var sources: Int

    /// 200 requests at once and 50 a second for a source, 20,000 a second for all.
    public init(
      perSource: RateLimit = RateLimit(burst: 200, perSecond: 50),
      total: RateLimit = RateLimit(burst: 20_000, perSecond: 20_000), sources: Int = 8192
    ) {
      (self.perSource, self.total, self.sources) = (perSource, total, sources)
    }
  }

  /// What became of the datagrams that came in.
  public struct Counts: Hashable, Sendable {
    /// Answered with a public endpoint.
    public var answered = 0
    /// Answered with an error.
    public var refused = 0
    /// Dropped because their source, or all together, sent too many.
    public var limited = 0
    /// Dropped because they were no Binding request.
    public var ignored = 0

    /// Nothing yet.
    public init() {}

    /// Adds each number.
    public static func += (sum: inout Counts, more: Counts) {
      sum.answered += more.answered
      sum.refused += more.refused
      sum.limited += more.limited
      sum.ignored += more.ignored
    }
  }

  /// A UNKNOWN-ATTRIBUTES list is no longer than that, or a 420 would be long.
  private static let maximumUnknownAttributes = 8

  /// The server's endpoints: the sockets are numbered in this order.
  public let endpoints: [Endpoint]
  /// What became of the datagrams so far.
  public private(set) var counts = Counts()
  private var limiter: RateLimiter

  /// A server on some endpoints.
  ///
  /// - Parameter endpoints: two addresses with the same two ports each make a full RFC 5780 server. With two ports on one
  ///   address it can change its port only; OTHER-ADDRESS then names the same address. One endpoint makes a plain server.
  ///   Unspecified addresses make it a plain one too, as it could not name them.
  public init(endpoints: [Endpoint], limits: Limits = .init(), now: Instant) {
    self.endpoints = endpoints
    limiter = RateLimiter(perSource: limits.perSource, total: limits.total, capacity: limits.sources, now: now)
  }

  /// The answer to a datagram that came in on a socket; nil if it deserves none.
  public mutating func receive(_ datagram: Datagram, on socket: Int, now: Instant) -> SocketTransmit? {
    let source = datagram.source
    guard endpoints.indices.contains(socket), source.port != 0, source.address.isUnicast, !endpoints.contains(source)
    else {
      counts.ignored += 1
      return nil
    }
    // Before anything is read: a flood of nonsense costs no more than a look at the table.
    guard limiter.allows(source.address, now: now) else {
      counts.limited += 1
      return nil
    }
    guard let request = try? STUNMessage(decoding: datagram.payload),
      request.messageClass == .request, request.method == STUNMessage.bindingMethod
    else {
      counts.ignored += 1
      return nil
    }
    let (sender, destination, response) = answer(request, from: source, on: socket)
    if response.messageClass == .success { counts.answered += 1 } else { counts.refused += 1 }
    return SocketTransmit(socket: sender, transmit: Transmit(to: destination, payload: response.encoded()))
  }

  private func answer(
    _ request: STUNMessage, from source: Endpoint, on socket: Int
  ) -> (socket: Int, destination: Endpoint, STUNMessage) {
    func refuse(_ code: Int, _ reason: String, unknown: [UInt16] = []) -> (Int, Endpoint, STUNMessage) {
      var attributes: [STUNAttribute] = [.errorCode(STUNErrorCode(code: code, reason: reason))]
      if !unknown.isEmpty { attributes.append(.unknownAttributes(unknown)) }
      return (socket, source, respond(.error, to: request, attributes))
    }

    let unknown = request.unknownComprehensionRequired
    guard unknown.isEmpty else {
      return refuse(420, "Unknown Attribute", unknown: Array(unknown.prefix(Self.maximumUnknownAttributes)))
    }
    let change: STUNChangeRequest =
      request.first { if case .changeRequest(let change) = $0 { change } else { nil } } ?? []
    guard let sender = self.socket(for: change, from: socket) else {
      return refuse(420, "Unknown Attribute", unknown: [STUNAttribute.Kind.changeRequest])
    }
    var destination = source
    if let port = request.first({ if case .responsePort(let port) = $0 { port } else { nil } }) {
      // The port is the requester's word alone: services of the host that it names must not get what they never asked
      // for, and padding must not follow (RFC 5780 6.1).
      let hasPadding = request.first { if case .padding = $0 { true } else { nil } } ?? false
      guard port >= 1024, !hasPadding else { return refuse(400, "Bad Request") }
      destination.port = port
    }
    return (sender, destination, respond(.success, to: request, success(request, source: source, on: socket, sender)))
  }

  private func success(_ request: STUNMessage, source: Endpoint, on socket: Int, _ sender: Int) -> [STUNAttribute] {
    let isClassic = request.transactionID.isClassic
    var attributes: [STUNAttribute] = [isClassic ? .mappedAddress(source) : .xorMappedAddress(source)]
    let origin = endpoints[sender]
    if !origin.address.isUnspecified {
      attributes.append(isClassic ? .sourceAddress(origin) : .responseOrigin(origin))
    }
    if let other = other(than: socket) {
      attributes.append(isClassic ? .changedAddress(other) : .otherAddress(other))
    }
    return attributes
  }

  private func respond(
    _ messageClass: STUNMessage.Class, to request: STUNMessage, _ attributes: [STUNAttribute]
  ) -> STUNMessage {
    STUNMessage(
      messageClass, transactionID: request.transactionID, attributes: attributes, hasFingerprint: request.hasFingerprint
    )
  }

  /// What OTHER-ADDRESS says: where answers come from when both, or all that can be, is changed.
  private func other(than socket: Int) -> Endpoint? {
    let other =
      self.socket(for: [.address, .port], from: socket) ?? self.socket(for: .port, from: socket)
    return other.map { endpoints[$0] }
  }

  private func socket(for change: STUNChangeRequest, from socket: Int) -> Int? {
    guard !change.isEmpty else { return socket }
    let own = endpoints[socket]
    guard !own.address.isUnspecified else { return nil }
    return endpoints.firstIndex { other in
      other.address.family == own.address.family
        && (other.address != own.address) == change.contains(.address)
        && (other.port != own.port) == change.contains(.port)
    }
  }
}
