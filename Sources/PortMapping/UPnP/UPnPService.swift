import DatagramSockets
import Datagrams

/// A router that forwards ports as a UPnP Internet Gateway Device.
struct UPnPService: MappingService {
  let mappingProtocol = PortMappingProtocol.upnp
  let place: NetworkPlace
  private let connection: GatewayConnection
  /// Nobody tells; renewing in time has to do.
  var restarts: Int { 0 }

  /// A second is what devices may take to answer a search; the rest is for the repeat.
  private static let searchPatience: Duration = .milliseconds(1500)
  /// Small processors take their time for XML.
  private static let descriptionPatience: Duration = .milliseconds(1500)
  private static let patience: Duration = .seconds(1)
  private static let removalPatience: Duration = .milliseconds(500)

  /// Finds out whether the router is such a device.
  ///
  /// - Throws: ``PortMappingError``, `CancellationError`.
  static func find(at place: NetworkPlace, onDevice: @Sendable () -> Void) async throws -> UPnPService {
    let socket: UDPSocket
    do { socket = try await UDPSocket.bind(to: Endpoint(address: place.local, port: 0)) } catch {
      throw PortMappingError(.noRouter, .upnp, place.router, "\(error)")
    }
    var search = SSDPSearch(router: place.router, patience: searchPatience, now: MonotonicClock.now)
    let result: Result<DeviceURL?, any Error>
    do { result = .success(try await socket.run(&search)) } catch { result = .failure(error) }
    await socket.close()
    guard let url = try result.get() else { throw PortMappingError(.absent, .upnp, place.router, "it does not answer") }
    onDevice()
    do {
      let description = try await DeviceHTTP.ask(
        url, of: place.router, method: .GET, patience: descriptionPatience)
      let connections = GatewayConnection.all(in: description.body, from: url, of: place.router)
      guard let connection = connections.first else {
        throw PortMappingError(.unusableAnswer, .upnp, place.router, "its description tells of no connection")
      }
      // Routers with two have one that is in use, and that knows its address.
      for connection in connections where connections.count > 1 {
        let service = UPnPService(place: place, connection: connection)
        if await (try? service.externalAddress()) != nil { return service }
      }
      return UPnPService(place: place, connection: connection)
    } catch {
      throw Self.describing(error, by: place.router)
    }
  }

  func map(_ request: MappingRequest) async throws -> MappedPort {
    do {
      let (port, lifetime) = try await add(request)
      do {
        return try mapped(
          request, to: Endpoint(address: try await externalAddress(), port: port), lifetime: lifetime)
      } catch {
        // The caller does not know which port it is, and may be cancelled.
        await Task { await delete(port) }.value
        throw error
      }
    } catch {
      throw Self.describing(error, by: router)
    }
  }

  /// Asks for the port that would be welcome, and for others where that is another host's.
  private func add(_ request: MappingRequest) async throws -> (port: UInt16, lifetime: UInt32?) {
    var port = request.suggestedPort
    var isPermanent = false
    var triesLeft = 4
    while true {
      do {
        _ = try await connection.call(
          "AddPortMapping",
          Self.entry(port) + [
            ("NewInternalPort", "\(request.inner)"), ("NewInternalClient", "\(place.local)"), ("NewEnabled", "1"),
            ("NewPortMappingDescription", "Plexus \(request.inner)"),
            ("NewLeaseDuration", isPermanent ? "0" : "\(request.seconds)"),
          ], patience: Self.patience)
        return (port, isPermanent ? nil : request.seconds)
      } catch let failure as GatewayConnection.Failure
        where triesLeft > 0 && (failure.wantsPermanent || failure.isConflict)
      {
        triesLeft -= 1
        // A lease without an end needs to be taken back; a power cut leaves it to whoever restarts the router.
        if failure.wantsPermanent { isPermanent = true } else { port = .random(in: 1024 ... .max) }
      }
    }
  }

  private func externalAddress() async throws -> IPAddress {
    let answer = try await connection.call("GetExternalIPAddress", [], patience: Self.patience)
    guard let text = answer["NewExternalIPAddress"], let address = IPAddress(text) else {
      throw PortMappingError(.unusableAnswer, .upnp, router, "it tells no external address")
    }
    return address
  }

  func unmap(_ request: MappingRequest, _ mapped: MappedPort?) async {
    let port = mapped?.external.port ?? request.suggestedPort
    if mapped == nil {
      // It may be another host's.
      let entry = try? await connection.call(
        "GetSpecificPortMappingEntry", Self.entry(port), patience: Self.removalPatience)
      guard let entry, entry["NewInternalClient"] == "\(place.local)", entry["NewInternalPort"] == "\(request.inner)"
      else {
        return
      }
    }
    await delete(port)
  }

  private func delete(_ port: UInt16) async {
    _ = try? await connection.call(
      "DeletePortMapping", Self.entry(port), patience: Self.removalPatience)
  }

  /// By what a router knows a mapping.
  private static func entry(_ port: UInt16) -> [(String, String)] {
    [("NewRemoteHost", ""), ("NewExternalPort", "\(port)"), ("NewProtocol", "UDP")]
  }

  private static func describing(_ error: any Error, by router: IPAddress) -> any Error {
    switch error {
    case is CancellationError, is PortMappingError: error
    case let failure as GatewayConnection.Failure: PortMappingError(.refused, .upnp, router, "\(failure)")
    case let error as DeviceHTTPError: PortMappingError(.absent, .upnp, router, "\(error)")
    default: PortMappingError(.absent, .upnp, router, "its web server cannot be reached (\(error))")
    }
  }
}
