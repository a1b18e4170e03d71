import DatagramSockets
import Datagrams

/// The life of one lease: asks one protocol after another, renews, starts again where a router is gone.
struct LeaseKeeper: Sendable {
  private let mapper: PortMapper
  private let phase: Watched<PortLease.Phase>
  private let wish: Watched<PortLease.Wish>
  private var request: MappingRequest
  /// Who forwards, and what; what is nil where a request was cut off, whose answer nobody knows.
  private var held: (service: any MappingService, port: MappedPort?)?

  init(port: UInt16, mapper: PortMapper, phase: Watched<PortLease.Phase>, wish: Watched<PortLease.Wish>) {
    (self.mapper, self.phase, self.wish) = (mapper, phase, wish)
    request = MappingRequest(inner: port, lifetime: mapper.configuration.lifetime)
  }

  /// Until the task is cancelled, or no router forwards the port.
  mutating func run() async {
    while let (port, service) = await obtain() {
      guard let error = await keep(port, by: service) else { return }
      mapper.onEvent(.lost(port, error))
      held = nil
      phase.change { $0 = .searching(hope: nil) }
      mapper.forget(service)
    }
    if held == nil { phase.change { $0 = .over } }
  }

  /// Asks one protocol after another.
  private mutating func obtain() async -> (MappedPort, any MappingService)? {
    let start = MonotonicClock.now
    var tried: Set<PortMappingProtocol> = []
    while let service = await mapper.nextService(
      except: tried, onHope: { [phase] hope in phase.change { $0 = .searching(hope: hope) } })
    {
      tried.insert(service.mappingProtocol)
      phase.change { $0 = .asking }
      held = (service, nil)
      do {
        request.lifetime = wish.value.lifetime
        let port = try await service.map(request)
        hold(port, by: service)
        mapper.onEvent(.made(port, after: start.duration(to: MonotonicClock.now)))
        return (port, service)
      } catch let error as PortMappingError {
        // Cancelled or not, it may have been made.
        if error.code != .refused { await Task { [request] in await service.unmap(request, nil) }.value }
        held = nil
        phase.change { $0 = .searching(hope: nil) }
        mapper.note(error, of: service)
      } catch {
        // Cancelled; `finish()` takes back what may have been made.
        return nil
      }
    }
    return nil
  }

  private mutating func hold(_ port: MappedPort, by service: any MappingService) {
    held = (service, port)
    request.suggestedPort = port.external.port
    phase.change { $0 = .mapped(port) }
  }

  /// Renews until the task is cancelled: at half of the lifetime, and where that fails at half of what is left (RFC 6887 11.2.1).
  ///
  /// - Returns: why it could not be renewed in time; nil when the task was cancelled.
  private mutating func keep(_ port: MappedPort, by service: any MappingService) async -> PortMappingError? {
    var port = port
    while true {
      // For ever is renewed, too: a router that was restarted may have forgotten it.
      let lifetime = port.lifetime ?? Self.permanentRenewal
      let expiry = MonotonicClock.now.advanced(by: lifetime)
      var wait = lifetime / 2
      while true {
        guard await sleep(for: max(wait, Self.shortestWait), orRestartOf: service) else { return nil }
        do {
          request.lifetime = wish.value.lifetime
          let renewed = try await service.map(request)
          if renewed.external != port.external { mapper.onEvent(.changed(renewed, from: port.external)) }
          port = renewed
          hold(port, by: service)
          break
        } catch let error as PortMappingError {
          let left = MonotonicClock.now.duration(to: expiry)
          guard left > .zero else { return error }
          wait = left / 2
        } catch {
          return nil
        }
      }
    }
  }

  private static let permanentRenewal: Duration = .seconds(3600)
  /// A router that grants seconds is asked once a second.
  private static let shortestWait: Duration = .seconds(1)
  /// Another lease may notice that the router was restarted; until this one knows, nobody comes in.
  private static let restartLook: Duration = .seconds(15)

  /// Sleeps, unless there is a reason to ask the router at once.
  ///
  /// - Returns: false when the task was cancelled.
  private func sleep(for duration: Duration, orRestartOf service: any MappingService) async -> Bool {
    let (restarts, number) = (service.restarts, wish.value.number)
    let end = MonotonicClock.now.advanced(by: duration)
    while !Task.isCancelled {
      let left = MonotonicClock.now.duration(to: end)
      guard left > .zero, service.restarts == restarts, wish.value.number == number else { return true }
      await wish.wait(within: min(left, Self.restartLook)) { $0.number != number }
    }
    return false
  }

  /// Takes the mapping back, unless it is to be left behind.
  func finish() async {
    // From another network the router is not to be reached, and the mapping led to an address that is not ours any more.
    guard let (service, port) = held, NetworkPlace.current(bound: mapper.configuration.local) == service.place else {
      return
    }
    guard port == nil || !wish.value.isLeftBehind else { return }
    await service.unmap(request, port)
    if let port { mapper.onEvent(.removed(port)) }
  }
}
