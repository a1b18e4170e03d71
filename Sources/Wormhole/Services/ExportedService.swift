import Datagrams

/// A service that an exporter offers through its tunnels.
public struct ExportedService: Hashable, Sendable {
  /// The name that importers ask for; empty for the one that C++ importers, which know no names, get.
  public var name: String
  /// Where it listens.
  public var address: HostAndPort
  /// Whether it takes datagrams instead of connections.
  public var isDatagram: Bool

  /// A service by its address.
  public init(name: String = "", address: HostAndPort, isDatagram: Bool = false) {
    self.name = name
    self.address = address
    self.isDatagram = isDatagram
  }

  var request: StreamRequest { StreamRequest(service: name, kind: isDatagram ? .udp : .tcp) }
}

extension ExportedService: LosslessStringConvertible {
  /// Reads `[NAME=]HOST:PORT[/udp]`, such as `127.0.0.1:22`, `web=localhost:8080` and `dns=192.0.2.1:53/udp`.
  public init?(_ text: String) {
    let (body, isDatagram) = ServiceText.kind(of: text)
    let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let last = parts.last, let address = HostAndPort(String(last)), let port = address.port, port > 0 else {
      return nil
    }
    if parts.count == 2 { guard ServiceText.isName(parts[0]) else { return nil } }
    self.init(name: parts.count == 2 ? String(parts[0]) : "", address: address, isDatagram: isDatagram)
  }

  /// The form that is read.
  public var description: String { (name.isEmpty ? "" : name + "=") + "\(address)" + (isDatagram ? "/udp" : "") }
}

/// What the texts of both kinds of service share.
enum ServiceText {
  /// Letters, digits and a few signs, so that a name needs no quoting anywhere.
  static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.count <= StreamRequest.nameLimit
      && text.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || "0"..."9" ~= $0 || "-_.".unicodeScalars.contains($0))
      }
  }

  /// Takes `/udp` or `/tcp` off the end.
  static func kind(of text: String) -> (body: String, isDatagram: Bool) {
    if text.hasSuffix("/udp") { return (String(text.dropLast(4)), true) }
    if text.hasSuffix("/tcp") { return (String(text.dropLast(4)), false) }
    return (text, false)
  }
}
