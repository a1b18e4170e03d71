/// What a ``Diagnosis`` has found.
public struct DiagnosisReport: Sendable {
  /// What was looked at, from the near to the far.
  public internal(set) var findings: [DiagnosisFinding] = []
  /// What to tell a peer, for its own diagnosis; nil where no STUN server answered.
  public internal(set) var ownTraits: NetworkTraits?
  /// What comes of every kind of network that a peer may have, or of that one which was named; empty without ``ownTraits``.
  public internal(set) var predictions: [PassagePrediction] = []
  /// The last passages that failed, oldest first; those with the peer that was named, if one was.
  public internal(set) var failures: [FailedPassage] = []
  /// What the own network does; nil where it was not explored.
  public internal(set) var exploration: ExplorationReport?
  /// How long it took.
  public internal(set) var duration: Duration = .zero

  /// Whether all that is needed works.
  public var works: Bool { !findings.contains { $0.verdict == .problem } }
}

// The names are documented in docs/doctor.md, and what other programs read: keep them.

extension DiagnosisReport: Encodable {
  private enum CodingKeys: String, CodingKey {
    case format, works, findings, traits, predictions, failures, exploration, milliseconds
  }

  /// Encodes everything; what is not known is null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(1, forKey: .format)
    try container.encode(works, forKey: .works)
    try container.encode(findings, forKey: .findings)
    try container.encode(ownTraits?.description, forKey: .traits)
    try container.encode(predictions, forKey: .predictions)
    try container.encode(failures, forKey: .failures)
    try container.encode(exploration, forKey: .exploration)
    try container.encode(duration.milliseconds, forKey: .milliseconds)
  }
}
