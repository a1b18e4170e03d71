import DatagramSockets
import Datagrams
import STUN

/// Finds out what the own network does, over IPv4 and IPv6 at the same time.
public struct NetworkExploration: Sendable {
  /// The servers to ask, all at once.
  public var stunServers: [HostAndPort]
  /// The local endpoint to explore. An unspecified address explores both families, any other only its own.
  public var local: Endpoint
  /// It never takes longer, name look-ups included. By default 1.4 s, so that a program that starts, explores and ends
  /// stays below 1.6 s on a busy machine, too.
  public var budget: Duration

  /// Explores from any local endpoint by default.
  public init(stunServers: [HostAndPort], local: Endpoint = .any(.v4), budget: Duration = .milliseconds(1400)) {
    (self.stunServers, self.local, self.budget) = (stunServers, local, budget)
  }

  /// A name server that is there answers in far less; what is left is long enough to tell a silent server from a loss.
  private static let lookUpShare = 0.33

  /// Explores.
  ///
  /// - Parameter onEvent: told what becomes known, from any task.
  /// - Returns: a report, also if no server answered: ``ExplorationReport/failure`` says so.
  /// - Throws: ``PlexusError`` if the local endpoint cannot be bound or no server was named; `CancellationError`.
  public func run(onEvent: @Sendable (ExplorationEvent) -> Void = { _ in }) async throws -> ExplorationReport {
    do {
      guard !stunServers.isEmpty else {
        throw PlexusError(.invalidOption, "no STUN server was named", advice: "name at least one as host or host:port")
      }
      let started = MonotonicClock.now
      async let ipv4 = explore(.v4, since: started, onEvent: onEvent)
      async let ipv6 = explore(.v6, since: started, onEvent: onEvent)
      let (v4, v6) = try await (ipv4, ipv6)
      return ExplorationReport(
        ipv4: v4.finding, ipv6: v6.finding, unresolved: unresolved(v4, v6),
        duration: started.duration(to: MonotonicClock.now))
    } catch {
      throw PlexusError.describing(error)
    }
  }

  /// What exploring one family gave, and the names that have no address of it.
  private struct Part {
    var finding: ExplorationReport.Finding
    var unresolved: [HostAndPort: String] = [:]
  }

  private func explore(
    _ family: IPAddress.Family, since started: Instant, onEvent: @Sendable (ExplorationEvent) -> Void
  ) async throws -> Part {
    guard local.address.isUnspecified || local.address.family == family else { return Part(finding: .absent(.leftOut)) }
    let names = stunServers.filter { IPAddress($0.host).map { $0.family == family } ?? true }
    let (servers, failures) = await STUNServer.resolve(names, family: family, timeout: budget * Self.lookUpShare)
    let found = Set(servers.map(\.name))
    let missing = names.filter { !found.contains(HostAndPort(host: $0.host, port: $0.port ?? STUNServer.defaultPort)) }
    let unresolved = Dictionary(zip(missing, failures.map(\.detail))) { first, _ in first }
    guard !servers.isEmpty else { return Part(finding: .absent(.noServer), unresolved: unresolved) }
    guard servers.contains(where: { hasRoute(to: $0.endpoint) }) else {
      return Part(finding: .absent(.noRoute), unresolved: unresolved)
    }
    let bound = Endpoint(
      address: local.address.isUnspecified ? .unspecified(family) : local.address, port: local.port)
    let left = budget - started.duration(to: MonotonicClock.now)
    let report = try await STUNClient.explore(servers: servers, local: bound, budget: left, onEvent: onEvent)
    return Part(finding: .explored(report), unresolved: unresolved)
  }

  /// Link-local addresses reach no peer. Loopback only reaches a server on this machine.
  private func hasRoute(to server: Endpoint) -> Bool {
    guard let source = LocalRoute.localAddress(towards: server) else { return false }
    return source.scope != .linkLocal && (source.scope != .loopback || server.address.isLoopback)
  }

  /// The names that have an address of no family.
  private func unresolved(_ v4: Part, _ v6: Part) -> [ExplorationReport.UnresolvedServer] {
    stunServers.compactMap { name in
      let isAsked =
        local.address.isUnspecified
        ? v4.unresolved[name] != nil && v6.unresolved[name] != nil
        : (v4.unresolved[name] ?? v6.unresolved[name]) != nil
      guard isAsked, let reason = v4.unresolved[name] ?? v6.unresolved[name] else { return nil }
      return ExplorationReport.UnresolvedServer(name: name, reason: reason)
    }
  }
}
