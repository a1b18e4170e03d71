/// What a side tells beyond the line of version 3.0, to peers that understand it.
///
/// The text travels in a message of its own, the companion (``CompanionMessage``). What it means is the business of those who use the
/// rendezvous.
public enum Supplement: Hashable, Sendable {
  /// The sender knows of no companions: it is the reference, or an early release of this implementation.
  case unsupported
  /// The sender marked its line, but the companion did not come in time, or none is needed.
  case missing
  /// The text, of at most ``lengthAtMost`` bytes.
  case text(String)

  /// How many bytes a text may have: room for two dozen candidate addresses. More would be cut into ever more datagrams by the DHT.
  public static let lengthAtMost = 4096

  /// Whether the sender understands companions.
  public var isSupported: Bool { self != .unsupported }

  /// The text that came.
  public var text: String? {
    if case .text(let text) = self { text } else { nil }
  }
}
