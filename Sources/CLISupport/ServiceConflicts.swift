import Wormhole

/// Refuses services of which one could never be reached.
///
/// - Throws: ``CommandFailure`` (`usage`) that names the first that conflicts with one before it.
public func requireDistinct(_ services: [ExportedService]) throws(CommandFailure) {
  for (index, service) in services.enumerated() {
    guard
      let other = services[..<index].first(where: { $0.name == service.name && $0.isDatagram == service.isDatagram })
    else { continue }
    throw CommandFailure(
      .usage,
      service.name.isEmpty
        ? "\(other) and \(service) are both without a name, and only one could be reached; name them, as in NAME=\(service)"
        : "\(other) and \(service) have the same name, and only one could be reached; name them differently")
  }
}

/// Refuses services that would listen on the same local port.
///
/// - Throws: ``CommandFailure`` (`usage`) that names the first that conflicts with one before it.
public func requireDistinct(_ services: [ImportedService]) throws(CommandFailure) {
  for (index, service) in services.enumerated() where service.address.port != 0 {
    guard
      let other = services[..<index].first(where: {
        $0.address == service.address && $0.isDatagram == service.isDatagram
      })
    else { continue }
    throw CommandFailure(.usage, "\(other) and \(service) listen on the same port; choose another for one of them")
  }
}
