import Datagrams
import STUN

/// What the own network does, over IPv4 and over IPv6.
public struct ExplorationReport: Sendable {
  /// What is known of one family.
  public enum Finding: Sendable {
    /// Servers were asked; whether any answered is in the report.
    case explored(NetworkReport)
    /// There was nothing to explore, which is no fault.
    case absent(Absence)
  }

  /// Why a family was not explored.
  public enum Absence: String, Hashable, Sendable, Codable, CaseIterable {
    /// This machine has no route to the servers, or only one that leaves with a link-local address.
    case noRoute
    /// No server has an address of the family.
    case noServer
    /// The local endpoint is of the other family.
    case leftOut
  }

  /// A server whose name has no address at all.
  public struct UnresolvedServer: Hashable, Sendable, Encodable {
    /// The name as it was given.
    public var name: HostAndPort
    /// What the system said of it: "Name or service not known".
    public var reason: String

    /// Joins a name and what is wrong with it.
    public init(name: HostAndPort, reason: String) {
      (self.name, self.reason) = (name, reason)
    }

    private enum CodingKeys: String, CodingKey { case server, reason }

    /// Encodes the name as text.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(name.description, forKey: .server)
      try container.encode(reason, forKey: .reason)
    }
  }

  /// What is known of IPv4.
  public var ipv4: Finding
  /// What is known of IPv6.
  public var ipv6: Finding
  /// The servers that could not be asked, because their names have no address.
  public var unresolved: [UnresolvedServer]
  /// How long it took, name look-ups included.
  public var duration: Duration

  /// Joins what is known.
  public init(ipv4: Finding, ipv6: Finding, unresolved: [UnresolvedServer] = [], duration: Duration) {
    (self.ipv4, self.ipv6, self.unresolved, self.duration) = (ipv4, ipv6, unresolved, duration)
  }

  /// The report that counts for passages: that of IPv4, which they use unless told otherwise, if a server answered there.
  public var decisive: NetworkReport? {
    [ipv4, ipv6].compactMap(\.report).first { $0.publicEndpoint != nil }
  }

  /// Why nothing can be said; nil if any server told a public address.
  public var failure: PlexusError? {
    guard decisive == nil else { return nil }
    let reports = [ipv4, ipv6].compactMap(\.report).flatMap(\.servers)
    let faults =
      reports.map { "\($0.server) \($0.outcome)" } + unresolved.map { "\($0.name) has no address (\($0.reason))" }
    guard !faults.isEmpty else {
      return PlexusError(
        .noSTUNAnswer, "this machine has no route to any of the STUN servers",
        advice: "connect it to a network, or name servers that it can reach")
    }
    return PlexusError(
      .noSTUNAnswer, "no STUN server told the public address: \(faults.joined(separator: "; "))",
      advice: "check that this network lets UDP out, or name other servers")
  }
}

extension ExplorationReport.Finding {
  /// The report, if there was something to explore.
  public var report: NetworkReport? {
    switch self {
    case .explored(let report): report
    case .absent: nil
    }
  }
}

// The names are documented in docs/explore.md, and what other programs read: keep them.

extension ExplorationReport: Encodable {
  private enum CodingKeys: String, CodingKey { case format, prospect, confidence, ipv4, ipv6, unresolved, milliseconds }

  /// Encodes both families, and what follows for passages.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(1, forKey: .format)
    try container.encode(decisive?.prospect ?? .unknown, forKey: .prospect)
    try container.encode(decisive?.confidence ?? .none, forKey: .confidence)
    try container.encode(ipv4, forKey: .ipv4)
    try container.encode(ipv6, forKey: .ipv6)
    try container.encode(unresolved, forKey: .unresolved)
    try container.encode(duration.milliseconds, forKey: .milliseconds)
  }
}

extension ExplorationReport.Finding: Encodable {
  private enum CodingKeys: String, CodingKey { case state, report }

  /// Encodes `state` and, where it is `explored`, the report.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .explored(let report):
      try container.encode("explored", forKey: .state)
      try container.encode(report, forKey: .report)
    case .absent(let absence):
      try container.encode(absence, forKey: .state)
      try container.encodeNil(forKey: .report)
    }
  }
}
