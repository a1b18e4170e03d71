import Datagrams

/// An address of the router's web server: `http://192.0.2.1:5000/path`, with the router's own address and nobody else's.
struct DeviceURL: Hashable, Sendable {
  let port: UInt16
  /// From the slash on.
  let path: String
  let host: String

  var text: String { "http://\(host)\(path)" }

  /// Reads a URL; nil if it is none of the router's: whoever answers a search must not have us ask others.
  init?(_ text: some StringProtocol, of router: IPAddress) {
    // Printable ASCII without spaces: it becomes part of a request.
    guard text.utf8.count <= 512, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      text.prefix(7).lowercased() == "http://"
    else { return nil }
    let rest = text.dropFirst(7)
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let tail = rest[authority.endIndex...].prefix { $0 != "#" }
    guard let parsed = HostAndPort(String(authority)), IPAddress(parsed.host) == router else { return nil }
    port = parsed.port ?? 80
    guard port != 0 else { return nil }
    path = tail.hasPrefix("/") ? String(tail) : "/\(tail)"
    host = String(authority)
  }
}
