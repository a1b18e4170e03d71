/// What ties a response to its request: 96 random bits, and the cookie before them.
///
/// RFC 3489 knew no cookie, its transaction ids had 128 bits. Keeping the field as it came lets us answer such clients.
public struct STUNTransactionID: Hashable, Sendable {
  /// The cookie of RFC 8489, by which its messages are told from older ones and from other protocols.
  public static let magicCookie: UInt32 = 0x2112_A442

  /// ``magicCookie``, or the first 32 bits of an RFC 3489 transaction id.
  public let cookie: UInt32
  let high: UInt32
  let low: UInt64

  /// Draws an id; the generator must be cryptographically secure, since guessing the id is forging the answer.
  public init(using random: inout some RandomNumberGenerator) {
    self.init(cookie: Self.magicCookie, high: random.next(), low: random.next())
  }

  init(cookie: UInt32, high: UInt32, low: UInt64) {
    (self.cookie, self.high, self.low) = (cookie, high, low)
  }

  /// Whether the other side speaks RFC 3489, before the magic cookie.
  public var isClassic: Bool { cookie != Self.magicCookie }
}
