import HolePunching

/// What two people tell each other of their networks, to learn whether passages between them will come about: a short text such as
/// `cone/port-restricted` or `symmetric/port-restricted/random,ipv6`.
public struct NetworkTraits: Hashable, Sendable {
  /// What the NATs do, as far as it is known.
  public var nat: NATTraits
  /// Whether there is a global IPv6 address.
  public var hasIPv6: Bool
  /// Whether the router forwards ports of the public address.
  public var forwardsPorts: Bool

  /// Joins all.
  public init(nat: NATTraits, hasIPv6: Bool = false, forwardsPorts: Bool = false) {
    (self.nat, self.hasIPv6, self.forwardsPorts) = (nat, hasIPv6, forwardsPorts)
  }

  private static let ipv6Mark = ",ipv6"
  private static let forwardingMark = ",forwarding"
}

extension NetworkTraits: LosslessStringConvertible {
  /// Reads what ``description`` writes, and nothing else.
  public init?(_ text: String) {
    var text = text[...]
    func takes(_ mark: String) -> Bool {
      guard text.hasSuffix(mark) else { return false }
      text = text.dropLast(mark.count)
      return true
    }
    let forwardsPorts = takes(Self.forwardingMark)
    let hasIPv6 = takes(Self.ipv6Mark)
    guard let nat = NATTraits(String(text)) else { return nil }
    self.init(nat: nat, hasIPv6: hasIPv6, forwardsPorts: forwardsPorts)
  }

  /// Mapping (`cone`, `symmetric` or `unknown`), filtering (`open`, `address-restricted`, `port-restricted` or `unknown`), of symmetric NATs how they
  /// give ports (`preserving`, `sequential+1`, `random` or `unknown`), `,ipv6` and `,forwarding`.
  public var description: String {
    nat.description + (hasIPv6 ? Self.ipv6Mark : "") + (forwardsPorts ? Self.forwardingMark : "")
  }
}
