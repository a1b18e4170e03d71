/// One datagram of the handshake: 8 bytes that only the holders of the secret can tell from noise.
///
///         0         1..6         7
///     +---------+-----------+---------+
///     |random  F|  random   |   sum   |   XOR secret, its least significant byte first
///     +---------+-----------+---------+
///
/// `F`, the lowest bit of byte 0, is the flag; `sum` makes the XOR of all eight bytes 0. One stray datagram of eight
/// bytes in 256 has a right sum by chance.
public struct HandshakeDatagram: Hashable, Sendable {
  /// What a datagram says.
  public enum Flag: UInt8, Hashable, Sendable {
    /// 0: "I am here"; opens the own NAT and asks for an answer.
    case probe = 0
    /// 1: "I hear you"; the acceptor's answer to a probe, and the inviter's last word.
    case answer = 1
  }

  /// The length on the wire, in bytes.
  public static let length = 8

  /// The unmasked datagram, byte 0 in the least significant byte.
  let bits: UInt64

  private init(bits: UInt64) { self.bits = bits }

  init(_ flag: Flag, nonce: UInt64) {
    let body = nonce & 0x00FF_FFFF_FFFF_FFFE | UInt64(flag.rawValue)
    bits = body | UInt64(Self.sum(body)) << 56
  }

  /// A datagram of a flag and seven random bytes, first byte first; the lowest bit of the first gives way to the flag.
  public init(_ flag: Flag, nonce: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
    let bytes = [nonce.6, nonce.5, nonce.4, nonce.3, nonce.2, nonce.1, nonce.0]
    self.init(flag, nonce: bytes.reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// Reads what the peer sent; nil for another length or a wrong sum.
  public init?(decoding payload: some Collection<UInt8>, secret: UInt64) {
    guard payload.count == Self.length else { return nil }
    let bits = payload.reversed().reduce(0) { $0 << 8 | UInt64($1) } ^ secret
    guard Self.sum(bits) == 0 else { return nil }
    self.init(bits: bits)
  }

  /// What the datagram says.
  public var flag: Flag { bits & 1 == 0 ? .probe : .answer }

  /// The unmasked eight bytes.
  public var plainBytes: [UInt8] { Self.bytes(of: bits) }

  /// The eight bytes that go on the wire.
  public func encoded(secret: UInt64) -> [UInt8] { Self.bytes(of: bits ^ secret) }

  private static func bytes(of word: UInt64) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }

  private static func sum(_ word: UInt64) -> UInt8 {
    var folded = word ^ word >> 32
    folded ^= folded >> 16
    folded ^= folded >> 8
    return UInt8(truncatingIfNeeded: folded)
  }
}
