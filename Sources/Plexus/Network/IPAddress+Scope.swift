import Datagrams

extension IPAddress {
  /// How far an address reaches.
  enum Scope: Hashable, Sendable { case loopback, linkLocal, `private`, global }

  /// Whether hosts anywhere on the internet may be reached at it.
  var isPublic: Bool { isUnicast && scope == .global }

  /// How far datagrams to this address come: RFC 1918, RFC 6598 and RFC 4193 for `private`.
  var scope: Scope {
    if isLoopback { return .loopback }
    switch self {
    case .v4(let bits):
      if bits >> 16 == 0xA9FE { return .linkLocal }
      let isPrivate = bits >> 24 == 10 || bits >> 20 == 0xAC1 || bits >> 16 == 0xC0A8 || bits >> 22 == 0x6440 >> 6
      return isPrivate ? .private : .global
    case .v6(let high, _):
      if high >> 54 == 0xFE80 >> 6 { return .linkLocal }
      return high >> 57 == 0xFC >> 1 ? .private : .global
    }
  }
}
