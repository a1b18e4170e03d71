import Datagrams

/// What one server said.
public struct STUNServerReport: Hashable, Sendable {
  /// The server.
  public var server: STUNServer
  /// Whether and how fast it answered, or what went wrong.
  public var outcome: STUNServerOutcome
  /// The public endpoint as it saw it.
  public var mapped: Endpoint?
  /// Where else it answers, if it knows RFC 5780 (or RFC 3489).
  public var other: Endpoint?
  /// Its software as it names it; a stranger's text.
  public var software: String?
  /// What its own tests say of the filtering.
  public var filtering: FilteringBehavior
}

/// What the network does, as far as it could be seen. `nil` and `unknown` mean that nothing could tell.
public struct NetworkReport: Hashable, Sendable {
  /// The local endpoint of the first socket.
  public var local: Endpoint
  /// Its public endpoint.
  public var publicEndpoint: Endpoint?
  /// Whether something between here and the servers translates addresses.
  public var isTranslated: Bool?
  /// How public endpoints are chosen.
  public var mapping: MappingBehavior
  /// Who is let in.
  public var filtering: FilteringBehavior
  /// Whether public ports equal the local ones.
  public var isPortPreserved: Bool?
  /// Whether mappings of one host got different public addresses (RFC 4787 4.1: pooling "arbitrary"); nil if fewer than
  /// two mappings were seen.
  public var addressVaries: Bool?
  /// Whether two hosts behind the NAT reach each other at their public endpoints; nil without a NAT, or if not known.
  public var hairpins: Bool?
  /// What each server said, in the order given.
  public var servers: [STUNServerReport]
  /// How long the exploration took.
  public var duration: Duration
}

extension NetworkReport {
  /// With whom punching works.
  public var prospect: PunchProspect {
    switch (mapping.isSymmetric, filtering) {
    case (nil, _): .unknown
    case (false, _), (true, .endpointIndependent), (true, .addressDependent): .everyPeer
    case (true, .addressAndPortDependent), (true, .unknown): .everyPeerButSymmetric
    }
  }

  /// How sure ``prospect`` is.
  public var confidence: Confidence {
    guard mapping != .unknown else { return .none }
    return filtering == .unknown || addressVaries == true ? .likely : .measured
  }
}
