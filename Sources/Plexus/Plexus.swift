import DatagramSockets
import Datagrams
import Identity
import Logging
import Metrics
import PortMapping
import Rendezvous
import RendezvousDHT
import RendezvousEmail
import STUN

/// Direct network passages between applications on machines behind NATs.
///
/// One value stands for one identity and one application. ``invite(_:)`` makes a passage to a peer that accepts;
/// ``accept(from:perform:)`` makes one with each peer that invites. Both know the order of things, and nothing below does: learn the
/// public address by STUN while the rendezvous is joined, exchange addresses, punch, hand over.
///
/// What is done is told as log lines of level info, one a step.
public struct Plexus: Sendable {
  /// The own identity.
  public var host: IdentityName { identity.identity.name }
  /// How passages are made.
  public let configuration: PlexusConfiguration
  var clock: PlexusClock { configuration.clock }
  let repository: ApplicationRepository
  let identity: OwnIdentity
  let telemetry: Telemetry
  let directory: STUNDirectory
  /// The rendezvous that is joined already, inside of ``whileJoined(_:)``.
  var joined: (any Rendezvous)?
  /// Has the router forward ports; nil where that is not wanted. All copies share it, and what it knows of the router.
  let ports: PortMapper?
  /// Streams that a peer may carry on over a new passage; all copies share it.
  let streams = StreamRegistry()

  /// Reads the own identity.
  ///
  /// - Parameters:
  ///   - repository: the folder of identities.
  ///   - host: the own identity; nil takes the only one that has a private key.
  ///   - configuration: how passages are made.
  ///   - logger: gets a line of level info for each step.
  ///   - metrics: where passages, invitations and failures are counted.
  /// - Throws: ``PlexusError`` when the identity is missing or unusable, or the configuration holds what fits into no message.
  public init(
    repository: ApplicationRepository, host: IdentityName?, configuration: PlexusConfiguration, logger: Logger,
    metrics: any MetricsFactory = MetricsSystem.factory
  ) throws(PlexusError) {
    try configuration.check()
    self.repository = repository
    self.configuration = configuration
    telemetry = Telemetry(logger: logger, metrics: metrics)
    directory = STUNDirectory(
      names: configuration.stunServers, family: configuration.localEndpoint.address.family, clock: configuration.clock)
    ports = configuration.mapsPorts ? Self.portMapper(configuration, telemetry) : nil
    identity = try Self.ownIdentity(host, in: repository)
    if let warning = identity.permissionsWarning { telemetry.tell(.keyPermissions(warning: warning)) }
  }

  private static func portMapper(_ configuration: PlexusConfiguration, _ telemetry: Telemetry) -> PortMapper {
    var mapping = PortMapper.Configuration()
    mapping.local = configuration.localEndpoint.address
    return PortMapper(configuration: mapping) { telemetry.tell(.portMapping($0)) }
  }

  static func ownIdentity(
    _ name: IdentityName?, in repository: ApplicationRepository
  ) throws(PlexusError) -> OwnIdentity {
    do {
      if let name { return try repository.ownIdentity(name) }
      let own = try repository.ownIdentities()
      guard let only = own.first, own.count == 1 else {
        throw PlexusError(
          .unusableIdentity, "\(repository.path) holds \(own.count) identities with a private key",
          advice: own.isEmpty
            ? "make one with plexus identity new OWNER/PIN" : "say which is yours with --host-info OWNER/PIN")
      }
      return try repository.ownIdentity(only.name)
    } catch let error as PlexusError {
      throw error
    } catch {
      throw PlexusError(.unusableIdentity, "\(error)", cause: error)
    }
  }

  /// Runs `body` with a rendezvous that is left afterwards, whatever happens; or with the one that is joined for longer.
  func withRendezvous<Result>(
    port: DHTConfiguration.Port, _ body: (any Rendezvous) async throws -> Result
  ) async throws -> Result {
    if let joined { return try await body(joined) }
    let rendezvous: any Rendezvous
    do { rendezvous = try makeRendezvous(port: port) } catch { throw PlexusError.describing(error) }
    do {
      let result = try await body(rendezvous)
      await rendezvous.leave()
      return result
    } catch {
      await rendezvous.leave()
      throw error
    }
  }

  private func makeRendezvous(port: DHTConfiguration.Port) throws -> any Rendezvous {
    let telemetry = telemetry
    let (folder, own) = (configuration.stateFolder, identity.identity.certificateID)
    let memory = try ReplayMemory(folder: folder, own: own)
    if let email = configuration.email {
      return try EmailRendezvous(
        own: identity, repository: repository, configuration: email, subjects: configuration.subjects, memory: memory,
        onEvent: { telemetry.tell(.email($0)) }, logger: telemetry.logger)
    }
    var dht = configuration.dht
    dht.port = port
    if dht.address4 == .unspecified(.v4) { dht.alternatives4 = LocalAddresses.furtherUplinks() }
    return try DHTRendezvous(
      own: identity, repository: repository, configuration: dht, subjects: configuration.subjects, memory: memory,
      numbers: InviteNumbers(folder: folder, own: own), onEvent: { telemetry.tell(.dht($0)) }, logger: telemetry.logger)
  }

  /// OpenDHT gives up on silent nodes after 8 s; the rest is for slow name servers. Mail servers may be slow to log in.
  private var joinTimeout: Duration { configuration.email == nil ? .seconds(15) : .seconds(45) }

  /// Joins the rendezvous and tells how long that took.
  func join(_ rendezvous: any Rendezvous, toInvite peer: PeerIdentity? = nil) async throws {
    let start = clock.now()
    if joined == nil { try await rendezvous.join(timeout: joinTimeout) }
    if let peer { await rendezvous.prepare(toInvite: peer, application: configuration.application) }
    guard joined == nil else { return }
    telemetry.tell(
      .joined(after: clock.since(start), byEmail: configuration.email != nil))
    configuration.whenJoined()
  }

  /// Joins as an acceptor does: mail servers come and go, and whoever waits for days need not be started anew for that.
  func joinPatiently(_ rendezvous: any Rendezvous) async throws {
    var failures = 0
    while true {
      let pause: Duration
      do { return try await join(rendezvous) } catch let error as RendezvousError {
        switch error.code {
        case .notJoined where configuration.email != nil:
          pause = min(.seconds(2) * (1 << min(failures, 5)), .seconds(60))
        // Providers lock accounts where a wrong password is tried too often.
        case .notAdmitted: pause = min(.seconds(30) * (1 << min(failures, 5)), .seconds(300))
        default: throw error
        }
        telemetry.tell(.joinFailed(PlexusError(error), pause: pause))
      }
      failures += 1
      try await clock.sleep(pause)
    }
  }
}
