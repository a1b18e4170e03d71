import FoundationEssentials
import Identity

extension Diagnosis {
  /// Certificates that end sooner are told, so that there is time to exchange others.
  private static let soon: TimeInterval = 30 * 86_400
  /// More names in a sentence help nobody.
  private static let namesShown = 5

  /// The repository, the own identity, the peers, and what the certificates say of the clock.
  ///
  /// - Returns: the own identity, if it can be used.
  func examineIdentities(_ tell: Tell) -> OwnIdentity? {
    let now = Date()
    let repository: ApplicationRepository
    let entries: [RepositoryEntry]
    do {
      repository = try ApplicationRepository(path: repositoryPath)
      entries = try repository.entries(matching: .any, at: now)
    } catch {
      tell(DiagnosisFinding(.identity, .problem, "\(error)"))
      return nil
    }
    examineClock(entries.compactMap(\.identity), at: now, tell)
    let own = examineOwn(in: repository, at: now, tell)
    examinePeers(entries.filter { !$0.hasPrivateKey }, at: now, tell)
    if let peer { examine(peer, own: own, in: repository, tell) }
    return own
  }

  private func examineOwn(in repository: ApplicationRepository, at now: Date, _ tell: Tell) -> OwnIdentity? {
    do {
      let own = try Plexus.ownIdentity(host, in: repository)
      let name = own.identity.name
      if let warning = own.permissionsWarning { tell(DiagnosisFinding(.identity, .warning, warning)) }
      if own.identity.notValidAfter.timeIntervalSince(now) < Self.soon {
        tell(
          DiagnosisFinding(
            .identity, .warning, "the certificate of \(name) ends on \(own.identity.notValidAfter.day)",
            advice: "make a new identity by plexus identity new, and exchange certificates before"))
      } else {
        tell(
          DiagnosisFinding(
            .identity, .ok,
            "\(name) has a private key that fits its certificate, valid until \(own.identity.notValidAfter.day)"))
      }
      return own
    } catch {
      tell(DiagnosisFinding(.identity, .problem, error.message, advice: error.advice))
      return nil
    }
  }

  private func examinePeers(_ entries: [RepositoryEntry], at now: Date, _ tell: Tell) {
    let usable = entries.compactMap(\.usable)
    if usable.isEmpty {
      tell(
        DiagnosisFinding(
          .identity, .warning, "\(repositoryPath) holds no usable certificate of a peer",
          advice: "import one by plexus identity import"))
    } else {
      tell(
        DiagnosisFinding(
          .identity, .ok,
          "\(repositoryPath) holds the certificates of \(usable.count) peer\(usable.count == 1 ? "" : "s")"))
    }
    for entry in entries.filter({ $0.problem != nil }).prefix(Self.namesShown) {
      tell(
        DiagnosisFinding(.identity, .warning, "\(entry.name) cannot be met: \(entry.problem.map { "\($0)" } ?? "")"))
    }
    let ending = usable.filter { $0.notValidAfter.timeIntervalSince(now) < Self.soon }
    for peer in ending.prefix(Self.namesShown) {
      tell(
        DiagnosisFinding(
          .identity, .warning, "the certificate of \(peer.name) ends on \(peer.notValidAfter.day)",
          advice: "ask for a new one before"))
    }
  }

  /// A certificate that is not valid yet means a clock that is wrong, here or where it was made.
  private func examineClock(_ identities: [PeerIdentity], at now: Date, _ tell: Tell) {
    let early = identities.filter { $0.notValidBefore > now }
    guard early.isEmpty else {
      let names = early.prefix(Self.namesShown).map { "\($0.name)" }.joined(separator: ", ")
      return tell(
        DiagnosisFinding(
          .clock, .warning,
          "this machine's clock says \(now.formatted(.iso8601)), and then certificates are not valid yet: \(names)",
          advice: "set the clock, or ask whoever made them to look at theirs"))
    }
    guard !identities.isEmpty else { return }
    tell(
      DiagnosisFinding(.clock, .ok, "this machine's clock says \(now.formatted(.iso8601)), which fits all certificates")
    )
  }

  private func examine(_ name: IdentityName, own: OwnIdentity?, in repository: ApplicationRepository, _ tell: Tell) {
    guard name != own?.identity.name else {
      return tell(
        DiagnosisFinding(.peer, .problem, "\(name) is the own identity", advice: "name the peer's as OWNER/PIN"))
    }
    do {
      let peer = try repository.peer(name)
      tell(
        DiagnosisFinding(
          .peer, .ok,
          "the certificate of \(name) is here and valid until \(peer.notValidAfter.day); its fingerprint is \(peer.fingerprint)"
        ))
    } catch {
      tell(DiagnosisFinding(.peer, .problem, "\(error)"))
    }
  }
}

extension Date {
  /// As `2031-05-07`, in UTC.
  fileprivate var day: String { formatted(.iso8601.year().month().day()) }
}
