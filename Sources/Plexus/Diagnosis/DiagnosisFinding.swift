/// One thing that a ``Diagnosis`` has looked at: what it is like, and what to do about it.
public struct DiagnosisFinding: Hashable, Sendable, Codable {
  /// What was looked at, from the near to the far.
  public enum Layer: String, Hashable, Sendable, Codable, CaseIterable {
    /// The repository, the own identity, the peers' certificates.
    case identity
    /// The time of day of this machine.
    case clock
    /// Interfaces and routes of this machine.
    case localNetwork
    /// The STUN servers.
    case stun
    /// What is between this machine and the internet.
    case nat
    /// Whether the router forwards ports.
    case portMapping
    /// The DHT by which peers meet.
    case dht
    /// The mail servers by which peers meet.
    case email
    /// The peer that was named.
    case peer
  }

  /// Whether all is well.
  public enum Verdict: String, Hashable, Sendable, Codable, CaseIterable {
    /// It works.
    case ok
    /// It works, but not for long or not for all; or it is not needed.
    case warning
    /// It is needed and does not work.
    case problem
  }

  /// What was looked at.
  public var layer: Layer
  /// Whether all is well.
  public var verdict: Verdict
  /// What was found: a sentence without the full stop, also where all is well.
  public var found: String
  /// What to do; empty where there is nothing to do, or ``found`` says it.
  public var advice: String
  /// How long it took, in milliseconds, where that matters.
  public var milliseconds: Double?

  init(_ layer: Layer, _ verdict: Verdict, _ found: String, advice: String = "", took duration: Duration? = nil) {
    (self.layer, self.verdict, self.found, self.advice) = (layer, verdict, found, advice)
    milliseconds = duration?.milliseconds
  }
}
