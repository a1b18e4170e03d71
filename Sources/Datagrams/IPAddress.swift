import LibC

/// An IPv4 or IPv6 address as a plain value, without port and without scope.
public enum IPAddress: Hashable, Sendable {
  /// An IPv4 address, first octet in the most significant byte.
  case v4(UInt32)
  /// An IPv6 address, first eight octets in `high`.
  case v6(high: UInt64, low: UInt64)

  /// The address family, which decides with whom a socket can talk.
  public enum Family: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// IPv4, 32 bits.
    case v4
    /// IPv6, 128 bits.
    case v6

    /// `IPv4` or `IPv6`.
    public var description: String { self == .v4 ? "IPv4" : "IPv6" }
  }

  /// The family of the address.
  public var family: Family {
    switch self {
    case .v4: .v4
    case .v6: .v6
    }
  }

  /// 0.0.0.0 or ::, which a socket is bound to when any local address will do.
  public static func unspecified(_ family: Family) -> IPAddress {
    switch family {
    case .v4: .v4(0)
    case .v6: .v6(high: 0, low: 0)
    }
  }

  /// Whether this is 0.0.0.0 or ::.
  public var isUnspecified: Bool { self == .unspecified(family) }

  /// Whether the address never leaves the machine: 127.0.0.0/8 or ::1.
  public var isLoopback: Bool {
    switch self {
    case .v4(let bits): bits >> 24 == 127
    case .v6(let high, let low): high == 0 && low == 1
    }
  }

  /// Whether a datagram can be sent to this one host: neither unspecified, multicast nor broadcast.
  public var isUnicast: Bool {
    switch self {
    case .v4(let bits): bits != 0 && bits >> 28 < 0xE
    case .v6(let high, let low): high >> 56 != 0xFF && !(high == 0 && low == 0)
    }
  }

  /// The IPv4 address inside `::ffff:a.b.c.d`, as dual-stack sockets show it; any other address unchanged.
  public var unmapped: IPAddress {
    if case .v6(0, let low) = self, low >> 32 == 0xFFFF { return .v4(UInt32(truncatingIfNeeded: low)) }
    return self
  }

  /// The address in network order: 4 or 16 bytes.
  public var bytes: [UInt8] {
    switch self {
    case .v4(let bits): Self.bigEndianBytes(bits)
    case .v6(let high, let low): Self.bigEndianBytes(high) + Self.bigEndianBytes(low)
    }
  }

  /// Reads an address from 4 or 16 bytes in network order; nil for any other length.
  public init?(bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      self = .v6(
        high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
        low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    default: return nil
    }
  }

  private static func bigEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
  }
}

extension IPAddress: LosslessStringConvertible {
  /// Reads the textual forms of `inet_pton(3)`; nil for host names and anything else.
  public init?(_ text: String) {
    // To C the text would end there.
    guard !text.utf8.contains(0) else { return nil }
    var v4 = in_addr()
    var v6 = in6_addr()
    if inet_pton(AF_INET, text, &v4) == 1 {
      self = .v4(UInt32(bigEndian: v4.s_addr))
    } else if inet_pton(AF_INET6, text, &v6) == 1, let address = withUnsafeBytes(of: v6, { IPAddress(bytes: $0) }) {
      self = address
    } else {
      return nil
    }
  }

  /// Dotted decimal, or RFC 5952 without brackets.
  public var description: String {
    let family = family == .v4 ? AF_INET : AF_INET6
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
      let written = bytes.withUnsafeBytes { inet_ntop(family, $0.baseAddress, text.baseAddress, socklen_t(text.count)) }
      return written.map { String(cString: $0) } ?? "?"
    }
  }
}
