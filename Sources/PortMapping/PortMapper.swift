import DatagramSockets
import Datagrams
import Synchronization

/// Has the router of this network forward UDP ports, by whichever of PCP, NAT-PMP and UPnP IGD it understands.
///
/// It asks the default gateway over IPv4 and nobody else. Looking for its abilities takes some seconds where it has none, so that is done once, in the
/// background, and again where this host is on another network.
public final class PortMapper: Sendable {
  /// How ports are forwarded.
  public struct Configuration: Sendable {
    /// The local address whose ports are forwarded; an unspecified one takes that towards the router.
    public var local: IPAddress = .unspecified(.v4)
    /// How long a router is asked to keep a mapping; it is renewed at half of that. What a host leaves behind that loses its power is gone after
    /// ten minutes.
    public var lifetime: Duration = .seconds(600)
    /// The protocols to try.
    public var protocols = Set(PortMappingProtocol.allCases)

    /// Everything at its default.
    public init() {}
  }

  let configuration: Configuration
  let onEvent: @Sendable (PortMappingEvent) -> Void
  private let search: Watched<RouterSearch?> = Watched(nil)
  private let task: Mutex<Task<Void, Never>?> = Mutex(nil)

  /// - Parameter onEvent: told what happens, from any task.
  public init(
    configuration: Configuration = Configuration(), onEvent: @escaping @Sendable (PortMappingEvent) -> Void = { _ in }
  ) {
    self.configuration = configuration
    self.onEvent = onEvent
  }

  deinit { task.withLock { $0?.cancel() } }

  /// Begins to look for the router, unless that is known or being looked for.
  public func prepare() {
    let now = MonotonicClock.now
    let place = NetworkPlace.current(bound: configuration.local)
    task.withLock { task in
      guard !(search.value.map { $0.isFresh(at: place, now: now) } ?? false) else { return }
      task?.cancel()
      let protocols = place == nil ? [] : configuration.protocols
      search.change { $0 = RouterSearch(place: place, pending: protocols, now: now) }
      // Bounded in time; it ends with the mapper at the latest.
      task = place.map { place in
        Task { [search] in await RouterSearch.run(protocols, at: place, telling: search) }
      }
    }
  }

  /// Has the port of a socket forwarded for as long as the socket is open: closing it ends the lease.
  public func lease(for socket: UDPSocket) -> PortLease {
    let lease = lease(port: socket.localEndpoint.port)
    socket.attach(lease)
    return lease
  }

  /// Has a port forwarded until the lease is ended.
  public func lease(port: UInt16) -> PortLease {
    prepare()
    return PortLease(port: port, of: self)
  }

  /// The next router protocol to ask, as soon as one is found; nil when there is none (any more), or the task is cancelled.
  ///
  /// - Parameters:
  ///   - tried: those that were asked already.
  ///   - onHope: told until when waiting for one makes sense.
  func nextService(
    except tried: Set<PortMappingProtocol>, onHope: @Sendable (Instant?) -> Void
  ) async -> (any MappingService)? {
    let found: (any MappingService)?? = await search.first { search in
      guard let search else { return .some(nil) }
      if let service = search.service(except: tried, now: MonotonicClock.now) { return .some(service) }
      guard !search.pending.isEmpty else { return .some(nil) }
      onHope(search.hope)
      return nil
    }
    return found ?? nil
  }

  /// A router is gone, or has changed its mind: it is looked for anew.
  func forget(_ service: any MappingService) {
    search.change { search in if search?.place?.router == service.router { search?.isStale = true } }
    prepare()
  }

  /// A router did not do what it was asked.
  func note(_ error: PortMappingError, of service: any MappingService) {
    search.change { $0?.failures[service.mappingProtocol] = (error, MonotonicClock.now) }
    if error.code == .refused || error.code == .unusableAnswer { onEvent(.refused(error, by: service.mappingProtocol)) }
  }
}
