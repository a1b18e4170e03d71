import Datagrams
import HolePunching
import STUN

/// Two hosts that explore, exchange their public endpoints, and punch, as `plexus` does.
///
/// The inviter explores first and keeps its mapping alive until the answer is there. The acceptor explores when the
/// invitation reaches it, answers, and opens its NAT at once.
public struct PassageScenario: Sendable {
  /// What is before the acceptor.
  public var acceptor: Surroundings
  /// What is before the inviter.
  public var inviter: Surroundings
  /// Whom both ask.
  public var servers = STUNServerSet.twoPlain
  /// What the public wires are like.
  public var wire = LinkSettings(delay: .milliseconds(20))
  /// Routers between each NAT, or host without one, and the middle of the network outside it.
  public var hops = 4
  /// From the inviter's report to the acceptor's first step.
  public var invitationDelay: Duration = .milliseconds(300)
  /// From the acceptor's report to the inviter's first probe.
  public var answerDelay: Duration = .milliseconds(300)
  /// Whether whoever finds a symmetric NAT before itself ends at once, as `plexus` does.
  public var stopsAtSymmetricNAT = true
  /// Whether the mapping is kept alive while waiting, as `plexus` does.
  public var keepsMapping = true
  /// How both punch.
  public var punching = PunchConfiguration()

  /// How both sides ended.
  public struct Run: Sendable {
    /// The acceptor's end.
    public var acceptor: PassageHost.Outcome
    /// The inviter's end.
    public var inviter: PassageHost.Outcome
  }

  /// A scenario of two sides.
  public init(acceptor: Surroundings, inviter: Surroundings) {
    (self.acceptor, self.inviter) = (acceptor, inviter)
  }

  /// Plays it; nil if a side did not end.
  public func run(seed: UInt64) -> Run? {
    var random = SeededGenerator(seed: seed)
    let network = SimulatedNetwork(seed: random.next(), wire: wire)
    servers.install(in: network)
    let secret = random.next()
    let accepting = add(.accepting, to: network, secret: secret, random: random.split())
    let inviting = add(.inviting, to: network, secret: secret, random: random.split())
    inviting.onExplored = { [invitationDelay, unowned accepting] endpoint, now in
      let time = now.advanced(by: invitationDelay)
      accepting.begin(at: time)
      accepting.hear(of: endpoint, at: time)
    }
    accepting.onExplored = { [answerDelay, unowned inviting] endpoint, now in
      inviting.hear(of: endpoint, at: now.advanced(by: answerDelay))
    }
    inviting.begin(at: .zero)
    // Longer than the exchange and the time that both take to give up.
    network.run(until: .zero.advanced(by: .seconds(600))) { accepting.outcome != nil && inviting.outcome != nil }
    guard let acceptor = accepting.outcome, let inviter = inviting.outcome else { return nil }
    return Run(acceptor: acceptor, inviter: inviter)
  }

  private func add(
    _ role: PunchRole, to network: SimulatedNetwork, secret: UInt64, random: SeededGenerator
  ) -> PassageHost {
    let isAcceptor = role == .accepting
    let (nat, address) = (isAcceptor ? acceptor : inviter).build(
      in: network, publicAddress: .v4(isAcceptor ? 0xCB00_710A : 0xCB00_710B),
      privateAddress: .v4(isAcceptor ? 0x0A01_0002 : 0x0A02_0002), hops: hops)
    let socket = Endpoint(address: address, port: isAcceptor ? 5000 : 6000)
    let host = PassageHost(role: role, socket: socket, settings: self, secret: secret, random: random)
    network.add(host, sockets: [socket], behind: nat, hops: nat == nil ? hops : 0)
    return host
  }
}

extension PassageScenario {
  /// What is wrong with how a run ended; nil if nothing is.
  ///
  /// Where both NATs can be punched there must be a passage. Where one cannot, its host must say so if the servers can
  /// tell, and none may have a passage. A host all of whose requests got lost has to give up.
  public func complaint(seed: UInt64) -> String? {
    guard let run = run(seed: seed) else { return "a side did not end" }
    let isPunchable = acceptor.isPunchable && inviter.isPunchable
    switch (run.acceptor, run.inviter) {
    case (.passage, .passage): return isPunchable ? nil : "a passage through a symmetric NAT"
    case (.declined, .noPublicEndpoint), (.noPublicEndpoint, .declined):
      return wire.loss > 0 ? nil : "no public endpoint, though nothing gets lost"
    case (.symmetricNAT, .declined): return acceptor.isPunchable ? "the acceptor's NAT is not symmetric" : nil
    case (.declined, .symmetricNAT): return inviter.isPunchable ? "the inviter's NAT is not symmetric" : nil
    case (.failed, .failed):
      // Otherwise something got lost, and so the mapping remained unknown.
      return !isPunchable && (wire.loss > 0 || !servers.canTellMapping)
        ? nil : "no passage: \(run.acceptor.text), \(run.inviter.text)"
    case (.passage(let result), .failed):
      // The acceptor's probes came from elsewhere and made the inviter's NAT drop the mapping, so that the inviter
      // fell silent as one does that has what it wants.
      let isExcused = !isPunchable && inviter.isTouchy && result.conclusion == .silence
      return isExcused ? nil : "only the acceptor has a passage, by \(result.conclusion.rawValue)"
    default: return "the acceptor ended with \(run.acceptor.text), the inviter with \(run.inviter.text)"
    }
  }
}

extension PassageHost.Outcome {
  /// The outcome in a word or two: `passage`, or the failure's code.
  public var text: String {
    switch self {
    case .passage: "passage"
    case .failed(let failure): failure.code.rawValue
    case .noPublicEndpoint: "noPublicEndpoint"
    case .symmetricNAT: "symmetricNAT"
    case .declined: "declined"
    }
  }
}
