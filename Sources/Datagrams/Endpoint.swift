/// An IP address and a UDP port.
public struct Endpoint: Hashable, Sendable {
  /// The IP address.
  public var address: IPAddress
  /// The UDP port; 0 asks the kernel for any.
  public var port: UInt16

  /// Joins an address and a port.
  public init(address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Any local address and any port of a family, to bind a socket to.
  public static func any(_ family: IPAddress.Family) -> Endpoint {
    Endpoint(address: .unspecified(family), port: 0)
  }
}

extension Endpoint: LosslessStringConvertible {
  /// Reads `192.0.2.1:3478` and `[2001:db8::1]:3478`; the port must be there.
  public init?(_ text: String) {
    guard let parsed = HostAndPort(text), let port = parsed.port, let address = IPAddress(parsed.host) else {
      return nil
    }
    self.init(address: address, port: port)
  }

  /// `address:port`, an IPv6 address in brackets.
  public var description: String {
    switch address {
    case .v4: "\(address):\(port)"
    case .v6: "[\(address)]:\(port)"
    }
  }
}

/// A host name or address as a user writes it, with a port that may be missing.
public struct HostAndPort: Hashable, Sendable {
  /// The host name, or an address without brackets.
  public var host: String
  /// The port, if one was written.
  public var port: UInt16?

  /// Joins a host and an optional port.
  public init(host: String, port: UInt16?) {
    self.host = host
    self.port = port
  }
}

extension HostAndPort: LosslessStringConvertible {
  /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` and a bare IPv6 address; nil for an empty host or a bad port.
  public init?(_ text: String) {
    let host: Substring
    let rest: Substring
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      rest = text[text.index(after: end)...]
      guard case .v6? = IPAddress(String(host))?.family else { return nil }
    } else if text.count(where: { $0 == ":" }) > 1 {
      // More than one colon and no brackets: an IPv6 address alone.
      guard IPAddress(text) != nil else { return nil }
      (host, rest) = (text[...], "")
    } else {
      let end = text.firstIndex(of: ":") ?? text.endIndex
      (host, rest) = (text[..<end], text[end...])
    }
    // C, which resolves the name, would see it end at a NUL.
    guard !host.isEmpty, !host.contains(where: \.isWhitespace), !host.utf8.contains(0) else { return nil }
    if rest.isEmpty {
      self.init(host: String(host), port: nil)
    } else {
      // `UInt16("+80")` would be taken, so ask for digits.
      guard rest.hasPrefix(":"), rest.dropFirst().allSatisfy(\.isASCIIDigit), let port = UInt16(rest.dropFirst()) else {
        return nil
      }
      self.init(host: String(host), port: port)
    }
  }

  /// `host`, or `host:port`, an IPv6 address in brackets where a port follows.
  public var description: String {
    guard let port else { return host }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
