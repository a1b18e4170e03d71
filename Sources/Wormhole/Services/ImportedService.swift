import Datagrams

/// A local address at which an importer offers a service of the far end.
public struct ImportedService: Hashable, Sendable {
  /// Where clients connect; port 0 takes any free one.
  public var address: HostAndPort
  /// The service's name; empty for the far end's first one.
  public var name: String
  /// Whether it takes datagrams instead of connections.
  public var isDatagram: Bool

  /// A service by where to listen for it.
  public init(address: HostAndPort, name: String = "", isDatagram: Bool = false) {
    self.address = address
    self.name = name
    self.isDatagram = isDatagram
  }

  /// The same service with the port that was found where it takes any free one.
  public func listening(on port: Int?) -> ImportedService {
    var service = self
    if address.port == 0, let port = port.flatMap({ UInt16(exactly: $0) }) { service.address.port = port }
    return service
  }

  var request: StreamRequest { StreamRequest(service: name, kind: isDatagram ? .udp : .tcp) }
}

extension ImportedService: LosslessStringConvertible {
  /// Reads `[HOST:]PORT[=NAME][/udp]`, such as `127.0.0.1:2222`, `8080=web` and `[::1]:5353=dns/udp`. A port alone listens on
  /// 127.0.0.1: a service that was private to one machine is not to become public on another by accident.
  public init?(_ text: String) {
    let (body, isDatagram) = ServiceText.kind(of: text)
    let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first else { return nil }
    let isPort = !first.isEmpty && first.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard let address = HostAndPort(isPort ? "127.0.0.1:\(first)" : String(first)), address.port != nil else {
      return nil
    }
    if parts.count == 2 { guard ServiceText.isName(parts[1]) else { return nil } }
    self.init(address: address, name: parts.count == 2 ? String(parts[1]) : "", isDatagram: isDatagram)
  }

  /// The form that is read.
  public var description: String { "\(address)" + (name.isEmpty ? "" : "=" + name) + (isDatagram ? "/udp" : "") }
}
