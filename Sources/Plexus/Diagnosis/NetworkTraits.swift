import HolePunching

/// What two people tell each other of their networks, to learn whether passages between them will come about: a short text such as
/// `cone/port-restricted` or `symmetric/port-restricted/random,ipv6`.
public struct NetworkTraits: Hashable, Sendable {
  /// What the NATs do, as far as it is known.
  public var nat: NATTraits
  /// Whether there is a global IPv6 address.
  public var hasIPv6: Bool

  /// Joins both.
  public init(nat: NATTraits, hasIPv6: Bool = false) {
    (self.nat, self.hasIPv6) = (nat, hasIPv6)
  }

  private static let ipv6Mark = ",ipv6"
}

extension NetworkTraits: LosslessStringConvertible {
  /// Reads what ``description`` writes, and nothing else.
  public init?(_ text: String) {
    let hasIPv6 = text.hasSuffix(Self.ipv6Mark)
    guard let nat = NATTraits(hasIPv6 ? String(text.dropLast(Self.ipv6Mark.count)) : text) else { return nil }
    self.init(nat: nat, hasIPv6: hasIPv6)
  }

  /// Mapping (`cone`, `symmetric` or `unknown`), filtering (`open`, `address-restricted`, `port-restricted` or `unknown`), of symmetric NATs how they
  /// give ports (`preserving`, `sequential+1`, `random` or `unknown`), and `,ipv6`.
  public var description: String { nat.description + (hasIPv6 ? Self.ipv6Mark : "") }
}
