import Logging
import PortMapping

extension PortMappingEvent {
  var name: String {
    switch self {
    case .made: "mapping.made"
    case .refused: "mapping.refused"
    case .changed: "mapping.changed"
    case .lost: "mapping.lost"
    case .removed: "mapping.removed"
    }
  }

  /// A passage may well be made without, so nothing of this is a failure.
  var level: Logger.Level {
    switch self {
    case .made, .refused: .info
    case .changed, .lost: .warning
    case .removed: .debug
    }
  }

  var sentence: String {
    switch self {
    case .made(let port, let time):
      "The router \(port.router) forwards \(port.external) to port \(port.inner), by \(port.mappingProtocol), after "
        + time.forPeople
    case .refused(let error, _): error.description.capitalizedFirst
    case .changed(let port, let old):
      "The router \(port.router) forwards \(port.external) to port \(port.inner) now, and the peer was told \(old)"
    case .lost(let port, let error): "Port \(port.inner) is forwarded no more: \(error)"
    case .removed(let port): "The router \(port.router) need not forward \(port.external) any more"
    }
  }

  var fields: Logger.Metadata {
    switch self {
    case .made(let port, let time): port.fields.merging(["ms": time.field]) { $1 }
    case .refused(let error, let mappingProtocol):
      ["protocol": "\(mappingProtocol.rawValue)", "reason": "\(error.code.rawValue)"]
    case .lost(let port, let error): port.fields.merging(["reason": "\(error.code.rawValue)"]) { $1 }
    case .changed(let port, _), .removed(let port): port.fields
    }
  }

  /// What the metric tells, if it tells this.
  var counted: (PortMappingProtocol, outcome: String)? {
    switch self {
    case .made(let port, _): (port.mappingProtocol, "made")
    case .refused(_, let mappingProtocol): (mappingProtocol, "refused")
    case .lost(let port, _): (port.mappingProtocol, "lost")
    case .changed, .removed: nil
    }
  }
}

extension MappedPort {
  fileprivate var fields: Logger.Metadata {
    ["protocol": "\(mappingProtocol.rawValue)", "router": "\(router)", "public": "\(external)", "port": "\(inner)"]
  }
}

extension String {
  fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
