import Datagrams
import HolePunching
import STUN

/// A simulated host that does what a side of a passage does, with the real cores and on one socket: it learns its public
/// endpoint, keeps the mapping alive while it waits for the peer's, and punches.
public final class PassageHost: SimulatedHost {
  /// How a side ended.
  public enum Outcome: Sendable {
    /// There is a passage.
    case passage(PunchResult)
    /// There is none.
    case failed(PunchFailure)
    /// No STUN server answered.
    case noPublicEndpoint
    /// The NAT turned out to be symmetric, so nothing was tried.
    case symmetricNAT
    /// The peer said that it cannot.
    case declined
  }

  private enum Phase {
    case idle(start: Instant)
    case exploring(NetworkExplorer)
    case keeping(MappingKeeper?, MappingReport)
    case punching(Puncher)
    case ended(Outcome)
  }

  private let role: PunchRole
  private let socket: Endpoint
  private let settings: PassageScenario
  private let secret: UInt64
  private var random: SeededGenerator
  private var phase = Phase.idle(start: .distantFuture)
  private var peer: (endpoint: Endpoint, from: Instant)?
  /// Called once the public endpoint is known, with it, and with nil if there will be none.
  var onExplored: ((Endpoint?, Instant) -> Void)?

  init(role: PunchRole, socket: Endpoint, settings: PassageScenario, secret: UInt64, random: SeededGenerator) {
    (self.role, self.socket, self.settings, self.secret) = (role, socket, settings, secret)
    self.random = random
  }

  /// How it ended, once it has.
  public var outcome: Outcome? {
    if case .ended(let outcome) = phase { outcome } else { nil }
  }

  /// Lets it explore from an instant on.
  func begin(at start: Instant) { phase = .idle(start: start) }

  /// Tells the peer's public endpoint, which it hears of at an instant; nil says that the peer cannot.
  func hear(of endpoint: Endpoint?, at time: Instant) {
    if let endpoint { peer = (endpoint, time) } else { phase = .ended(.declined) }
  }

  /// The timeout of the core that runs now.
  public var timeout: Instant? {
    switch phase {
    case .idle(let start): start < .distantFuture ? start : nil
    case .exploring(let explorer): explorer.pollTimeout()
    case .keeping(let keeper, _): min(keeper?.pollTimeout() ?? .distantFuture, peer?.from ?? .distantFuture)
    case .punching(let puncher): puncher.pollTimeout()
    case .ended: nil
    }
  }

  /// Gives the core that runs now a datagram.
  public func receive(_ datagram: Datagram, at socket: Endpoint, now: Instant) {
    switch phase {
    case .idle, .ended: break
    case .exploring(var explorer):
      explorer.receive(datagram, on: 0, now: now)
      proceed(explorer, now: now)
    case .keeping(var keeper, let report):
      _ = keeper?.receive(datagram)
      phase = .keeping(keeper, report)
    case .punching(var puncher):
      puncher.receive(datagram, now: now)
      proceed(puncher)
    }
  }

  /// Goes on to what is due.
  public func handleTimeout(now: Instant) {
    switch phase {
    case .idle:
      proceed(
        NetworkExplorer(
          servers: settings.servers.servers, localAddresses: settings.servers.servers.map { _ in socket.address },
          sockets: [socket], configuration: .init(scope: .mapping, budget: .seconds(3)), now: now, using: &random),
        now: now)
    case .exploring(var explorer):
      explorer.handleTimeout(now: now)
      proceed(explorer, now: now)
    case .keeping(var keeper, let report):
      if let peer, peer.from <= now {
        proceed(
          Puncher(
            role: role, secret: secret, peer: peer.endpoint, configuration: settings.punching, now: now,
            generator: random.split()))
      } else {
        keeper?.handleTimeout(now: now, using: &random)
        phase = .keeping(keeper, report)
      }
    case .punching(var puncher):
      puncher.handleTimeout(now: now)
      proceed(puncher)
    case .ended: break
    }
  }

  /// What the core that runs now sends.
  public func pollTransmit() -> (transmit: Transmit, socket: Endpoint)? {
    let transmit: Transmit?
    switch phase {
    case .idle, .ended: transmit = nil
    case .exploring(var explorer):
      transmit = explorer.pollTransmit()?.transmit
      phase = .exploring(explorer)
    case .keeping(var keeper, let report):
      transmit = keeper?.pollTransmit()
      phase = .keeping(keeper, report)
    case .punching(var puncher):
      transmit = puncher.pollTransmit()
      phase = .punching(puncher)
    }
    return transmit.map { ($0, socket) }
  }

  private func proceed(_ explorer: NetworkExplorer, now: Instant) {
    var explorer = explorer
    phase = .exploring(explorer)
    while let event = explorer.pollEvent() {
      phase = .exploring(explorer)
      guard case .finished(let report) = event else { continue }
      let mapping = MappingReport(report)
      if settings.stopsAtSymmetricNAT, mapping?.mapping.isSymmetric == true {
        end(.symmetricNAT, now: now)
      } else if let mapping, let server = mapping.fastestServer {
        let keeper = MappingKeeper(
          server: server.endpoint, interval: .seconds(15), publicEndpoint: mapping.publicEndpoint, now: now)
        phase = .keeping(settings.keepsMapping ? keeper : nil, mapping)
        onExplored?(mapping.publicEndpoint, now)
      } else {
        end(.noPublicEndpoint, now: now)
      }
    }
  }

  private func end(_ outcome: Outcome, now: Instant) {
    phase = .ended(outcome)
    onExplored?(nil, now)
  }

  private func proceed(_ puncher: Puncher) {
    phase =
      switch puncher.pollOutcome() {
      case .success(let result)?: .ended(.passage(result))
      case .failure(let failure)?: .ended(.failed(failure))
      case nil: .punching(puncher)
      }
  }
}
