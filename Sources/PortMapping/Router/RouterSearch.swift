import DatagramSockets
import Datagrams

/// What is known of the abilities of a network's router.
struct RouterSearch: Sendable {
  let place: NetworkPlace?
  /// Whoever answers is asked first that answered first.
  private(set) var found: [any MappingService] = []
  /// Protocols by which an answer may still come.
  private(set) var pending: Set<PortMappingProtocol>
  /// Those that did not do what they were asked, and when.
  var failures: [PortMappingProtocol: (error: PortMappingError, time: Instant)] = [:]
  /// Whether the router has turned out to be gone.
  var isStale = false
  private let began: Instant
  private var hasDevice = false
  private var isPortClosed = false

  /// A router that answers at all does so within a few milliseconds; a sleepy Wi-Fi takes longer.
  private static let promptness: Duration = .milliseconds(60)
  /// A router that was found to have no abilities may get some: somebody switched them on.
  private static let memory: Duration = .seconds(600)
  /// How long a refusal counts where the router does not say.
  private static let refusalMemory: Duration = .seconds(300)
  /// The longest that a router may demand (RFC 6887 15: an error's lifetime is half an hour at most).
  private static let longestRefusalMemory: Duration = .seconds(1800)

  init(place: NetworkPlace?, pending: Set<PortMappingProtocol>, now: Instant) {
    (self.place, self.pending, began) = (place, pending, now)
  }

  /// Whether there is no need to look again.
  func isFresh(at place: NetworkPlace?, now: Instant) -> Bool {
    place == self.place && !isStale && (!pending.isEmpty || !found.isEmpty || began.duration(to: now) < Self.memory)
  }

  /// A protocol to ask by that was not tried and has not failed lately.
  func service(except tried: Set<PortMappingProtocol>, now: Instant) -> (any MappingService)? {
    found.first { !tried.contains($0.mappingProtocol) && !hasFailed($0.mappingProtocol, now: now) }
  }

  private func hasFailed(_ mappingProtocol: PortMappingProtocol, now: Instant) -> Bool {
    guard let failure = failures[mappingProtocol] else { return false }
    let memory = min(max(failure.error.pause ?? Self.refusalMemory, .seconds(5)), Self.longestRefusalMemory)
    return failure.time.duration(to: now) < memory
  }

  /// Until when a passage that has everything else should wait for a router to be found; nil for no more.
  var hope: Instant? {
    if hasDevice { return .distantFuture }
    let maySoonAnswer = !isPortClosed && !pending.isDisjoint(with: [.pcp, .natPMP])
    return maySoonAnswer ? began.advanced(by: Self.promptness) : nil
  }

  /// Looks for all protocols side by side, and tells what is found when it is.
  static func run(
    _ protocols: Set<PortMappingProtocol>, at place: NetworkPlace, telling board: Watched<RouterSearch?>
  ) async {
    @Sendable func change(_ body: @Sendable (inout RouterSearch) -> Void) {
      // Another search may have begun meanwhile.
      board.change { search in if !Task.isCancelled, search?.place == place { search.mutate(body) } }
    }
    await withDiscardingTaskGroup { group in
      for mappingProtocol in protocols {
        group.addTask {
          let result = await find(mappingProtocol, at: place) { change { $0.hasDevice = true } }
          change { search in
            search.pending.remove(mappingProtocol)
            switch result {
            case .success(let service): search.found.append(service)
            case .failure(let error): search.isPortClosed = search.isPortClosed || error.code == .closed
            }
          }
        }
      }
    }
  }

  /// Finds out whether a router speaks a protocol. Three seconds at most.
  ///
  /// - Parameter onDevice: called when a UPnP device has shown itself, whose description is read then.
  static func find(
    _ mappingProtocol: PortMappingProtocol, at place: NetworkPlace, onDevice: @escaping @Sendable () -> Void = {}
  ) async -> Result<any MappingService, PortMappingError> {
    do {
      switch mappingProtocol {
      case .pcp: return .success(try await PCPService.find(at: place))
      case .natPMP: return .success(try await NATPMPService.find(at: place))
      case .upnp: return .success(try await UPnPService.find(at: place, onDevice: onDevice))
      }
    } catch let error as PortMappingError {
      return .failure(error)
    } catch {
      return .failure(PortMappingError(.absent, mappingProtocol, place.router, "\(error)"))
    }
  }
}

extension Optional {
  fileprivate mutating func mutate(_ body: (inout Wrapped) -> Void) {
    guard var value = self else { return }
    body(&value)
    self = value
  }
}
