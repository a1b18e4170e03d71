import FoundationEssentials
import Identity
import Synchronization

/// Looks at everything that a passage needs, layer by layer, and says of each what it is like and what to do.
///
/// The layers that do not depend on each other are looked at side by side. Each has a time limit; all together take 10 s at most. Nothing is changed: no
/// identity, no file, no mail; the DHT is tried with nodes and a message of its own.
public struct Diagnosis: Sendable {
  /// The folder of identities.
  public var repositoryPath: String
  /// The own identity; nil takes the only one that has a private key.
  public var host: IdentityName?
  /// A peer to look at, too.
  public var peer: IdentityName?
  /// What the peer's own diagnosis has said of its network, to predict what comes of the two; nil predicts for all kinds.
  public var peerTraits: NetworkTraits?
  /// As for passages: STUN servers, local endpoint, DHT or email, state folder.
  public var configuration: PlexusConfiguration

  /// A diagnosis of all but a peer.
  public init(repositoryPath: String, host: IdentityName? = nil, configuration: PlexusConfiguration) {
    (self.repositoryPath, self.host, self.configuration) = (repositoryPath, host, configuration)
  }

  /// Takes what is found, from any task.
  typealias Tell = @Sendable (DiagnosisFinding) -> Void

  /// Looks at everything.
  ///
  /// - Parameter onFinding: told each thing as it is known, from any task.
  /// - Returns: a report, whatever does not work.
  /// - Throws: `CancellationError`.
  public func run(onFinding: @escaping @Sendable (DiagnosisFinding) -> Void = { _ in }) async throws -> DiagnosisReport
  {
    let start = ContinuousClock.now
    let notes = Notes(onFinding)
    let tell: Tell = { notes.add($0) }
    // Files are quick; the rest waits for others.
    let own = examineIdentities(tell)
    examineLocalNetwork(tell)
    async let network = examineNetwork(tell)
    async let forwarded = examinePortMapping(tell)
    async let rendezvous = examineRendezvous(tell)
    var (seen, external, isUDPAnswered) = try await (network, forwarded, rendezvous)
    try Task.checkCancellation()
    let address = seen.exploration?.decisive?.publicEndpoint?.address
    seen.traits?.forwardsPorts = external != nil && external == address
    if let second = Self.secondNAT(external: external, seen: address) {
      tell(second)
    }
    if seen.isSilent { tell(Self.withoutSTUN(isUDPAnswered: isUDPAnswered)) }

    var report = DiagnosisReport()
    report.exploration = seen.exploration
    report.ownTraits = seen.traits
    report.predictions = seen.traits.map(predictions) ?? []
    report.failures = own.map(failures) ?? []
    report.findings = notes.findings
    report.duration = start.duration(to: .now)
    return report
  }

  private func predictions(for own: NetworkTraits) -> [PassagePrediction] {
    if let peerTraits { return [PassagePrediction(own: own, peer: peerTraits)] }
    return PassagePrediction.kinds.map { PassagePrediction(own: own, peer: $0.traits) }
  }

  private func failures(of own: OwnIdentity) -> [FailedPassage] {
    FailureMemory(folder: configuration.stateFolder, own: own.identity.certificateID).entries()
      .filter { peer == nil || $0.peer == peer }
  }

  /// The rendezvous that is configured; returns whether anybody out there answered by UDP.
  private func examineRendezvous(_ tell: @escaping Tell) async -> Bool {
    if let email = configuration.email {
      await examineEmail(email, tell)
      return false
    }
    return await examineDHT(tell)
  }

  /// What is found, in the order of the layers.
  private final class Notes: Sendable {
    private let list = Mutex<[DiagnosisFinding]>([])
    private let onFinding: @Sendable (DiagnosisFinding) -> Void

    init(_ onFinding: @escaping @Sendable (DiagnosisFinding) -> Void) { self.onFinding = onFinding }

    func add(_ finding: DiagnosisFinding) {
      list.withLock { $0.append(finding) }
      onFinding(finding)
    }

    var findings: [DiagnosisFinding] {
      let all = list.withLock { $0 }
      return DiagnosisFinding.Layer.allCases.flatMap { layer in all.filter { $0.layer == layer } }
    }
  }
}

extension Plexus {
  /// Looks at everything that passages of this identity need; see ``Diagnosis``, which also works where there is no usable identity.
  ///
  /// - Parameters:
  ///   - peer: a peer to look at, too.
  ///   - peerTraits: what the peer's diagnosis said of its network.
  ///   - onFinding: told each thing as it is known, from any task.
  /// - Throws: `CancellationError`.
  public func diagnose(
    peer: IdentityName? = nil, peerTraits: NetworkTraits? = nil,
    onFinding: @escaping @Sendable (DiagnosisFinding) -> Void = { _ in }
  ) async throws -> DiagnosisReport {
    var diagnosis = Diagnosis(repositoryPath: repository.path, host: host, configuration: configuration)
    (diagnosis.peer, diagnosis.peerTraits) = (peer, peerTraits)
    return try await diagnosis.run(onFinding: onFinding)
  }
}
