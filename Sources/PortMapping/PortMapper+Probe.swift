import DatagramSockets
import Datagrams

extension PortMapper {
  /// Finds out what the router of this network does: has a port of no use forwarded by each protocol for a moment, one after another, because to a
  /// router all are one.
  ///
  /// - Parameters:
  ///   - local: the local address whose router is asked; an unspecified one takes the default route.
  ///   - budget: it never takes longer. Silence takes a second by PCP and NAT-PMP, two by UPnP, all at once.
  /// - Returns: a finding for each protocol. What was made is removed.
  public static func probe(
    local: IPAddress = .unspecified(.v4), budget: Duration = .seconds(5)
  ) async -> PortMappingReport {
    guard let place = NetworkPlace.current(bound: local) else {
      return PortMappingReport(router: nil, findings: PortMappingProtocol.allCases.map { finding($0, .noRouter) })
    }
    let collected = Watched<[PortMappingReport.Finding]>([])
    await withTaskGroup { group in
      group.addTask { await probe(place, into: collected) }
      group.addTask { try? await Task.sleep(for: budget) }
      defer { group.cancelAll() }
      await group.next()
    }
    let findings = PortMappingProtocol.allCases.map { mappingProtocol in
      collected.value.first { $0.mappingProtocol == mappingProtocol }
        ?? finding(
          mappingProtocol, PortMappingError(.absent, mappingProtocol, place.router, "it does not answer in time"))
    }
    return PortMappingReport(router: place.router, findings: findings)
  }

  private static func finding(
    _ mappingProtocol: PortMappingProtocol, _ error: PortMappingError
  ) -> PortMappingReport.Finding {
    PortMappingReport.Finding(mappingProtocol: mappingProtocol, outcome: .failure(error))
  }

  private static func probe(_ place: NetworkPlace, into findings: Watched<[PortMappingReport.Finding]>) async {
    // Nobody else's port must be forwarded, so one is held.
    guard let socket = try? await UDPSocket.bind(to: Endpoint(address: place.local, port: 0)) else { return }
    await withTaskGroup(of: (PortMappingProtocol, Result<any MappingService, PortMappingError>).self) { group in
      for mappingProtocol in PortMappingProtocol.allCases {
        group.addTask { (mappingProtocol, await RouterSearch.find(mappingProtocol, at: place)) }
      }
      for await (mappingProtocol, result) in group {
        let outcome: Result<MappedPort, PortMappingError>
        switch result {
        case .success(let service): outcome = await tryOut(service, port: socket.localEndpoint.port)
        case .failure(let error): outcome = .failure(error)
        }
        guard !Task.isCancelled else { continue }
        findings.change { $0.append(.init(mappingProtocol: mappingProtocol, outcome: outcome)) }
      }
    }
    await socket.close()
  }

  private static func tryOut(
    _ service: any MappingService, port: UInt16
  ) async -> Result<MappedPort, PortMappingError> {
    // The least that RFC 6887 15 allows a router to grant.
    let request = MappingRequest(inner: port, lifetime: .seconds(120))
    let outcome: Result<MappedPort, PortMappingError>
    do { outcome = .success(try await service.map(request)) } catch {
      outcome = .failure(
        error as? PortMappingError
          ?? PortMappingError(.absent, service.mappingProtocol, service.router, "it does not answer in time"))
    }
    // Not cut off by the end of the time.
    await Task { await service.unmap(request, try? outcome.get()) }.value
    return outcome
  }
}
