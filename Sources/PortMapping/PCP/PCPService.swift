import DatagramSockets
import Datagrams
import Synchronization

/// A router that speaks PCP.
final class PCPService: MappingService {
  let mappingProtocol = PortMappingProtocol.pcp
  let place: NetworkPlace
  private let state = Mutex((epoch: PCPEpoch(), restarts: 0))

  var restarts: Int { state.withLock { $0.restarts } }

  private init(_ place: NetworkPlace) { self.place = place }

  /// Three requests, the last of which gets 700 ms.
  private static let patience: Duration = .seconds(1)
  private static let removalPatience: Duration = .milliseconds(500)

  /// Finds out whether the router speaks PCP.
  ///
  /// - Throws: ``PortMappingError``, `CancellationError`.
  static func find(at place: NetworkPlace) async throws -> PCPService {
    let service = PCPService(place)
    let response = try await service.ask(
      .announce, PCPMessage.announceRequest(client: place.local), patience: patience)
    switch response {
    case nil: throw PortMappingError(.absent, .pcp, place.router, "it does not answer")
    case .otherVersion(let version):
      throw PortMappingError(.absent, .pcp, place.router, "it answers in version \(version), which is not PCP's")
    case .announce, .map: return service
    // A router need not know how to be greeted, and may dislike it.
    case .failure: return service
    }
  }

  func map(_ request: MappingRequest) async throws -> MappedPort {
    let bytes = PCPMessage.mapRequest(request, lifetime: request.seconds, client: place.local)
    switch try await ask(.map(request), bytes, patience: Self.patience) {
    case .map(let header, let mapping):
      return try mapped(request, to: mapping.external, lifetime: header.lifetime)
    case .failure(let header, _):
      throw PortMappingError(.refused, .pcp, router, header.result.words, pause: .seconds(Int64(header.lifetime)))
    case .otherVersion, .announce, nil: throw PortMappingError(.absent, .pcp, router, "it does not answer")
    }
  }

  func unmap(_ request: MappingRequest, _ mapped: MappedPort?) async {
    let bytes = PCPMessage.mapRequest(request, lifetime: 0, client: place.local)
    _ = try? await ask(.map(request), bytes, patience: Self.removalPatience)
  }

  /// From a socket of its own, so that nobody can have prepared an answer for it.
  private func ask(
    _ question: PCPExchange.Question, _ bytes: [UInt8], patience: Duration
  ) async throws -> PCPMessage.Response? {
    let socket: UDPSocket
    do { socket = try await UDPSocket.bind(to: Endpoint(address: place.local, port: 0)) } catch {
      throw PortMappingError(.noRouter, .pcp, router, "\(error)")
    }
    var exchange = PCPExchange(question, router: router, request: bytes, patience: patience, now: MonotonicClock.now)
    let result: Result<PCPMessage.Response?, any Error>
    do { result = .success(try await socket.run(&exchange)) } catch { result = .failure(error) }
    await socket.close()
    let response = try result.get()
    if let epoch = response?.epoch {
      state.withLock { if !$0.epoch.isContinued(epoch, now: MonotonicClock.now) { $0.restarts += 1 } }
    }
    return response
  }
}

extension PCPMessage.Response {
  fileprivate var epoch: UInt32? {
    switch self {
    case .announce(let header), .map(let header, _), .failure(let header, _): header.epoch
    case .otherVersion: nil
    }
  }
}
