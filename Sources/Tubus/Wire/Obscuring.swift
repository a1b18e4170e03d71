/// The mask that hides the protocol from a casual look. It neither encrypts nor authenticates.
///
/// The key stream comes in blocks of eight bytes. With the secret as the first state k, and s the salt, a block is
/// `rotateRight(k + s, ((k + s) & 63) | 1) ^ s`, big-endian, and with its bytes reversed it is the next k. So a block
/// depends on the one before, which bounds the speed to some eight cycles a block.
public struct Obscuring: Hashable, Sendable {
  /// The number both ends know, not 0.
  public let secret: UInt64

  /// Masks with a secret; nil for 0, which stands for "in the clear".
  public init?(secret: UInt64) {
    guard secret != 0 else { return nil }
    self.secret = secret
  }

  /// Masks a datagram in place with `salt`, which must not be 0.
  public func mask(_ datagram: UnsafeMutableRawBufferPointer, salt: UInt64) {
    guard datagram.count >= DatagramHeader.saltLength else { return }
    applyKeyStream(from: UnsafeRawBufferPointer(datagram), to: datagram, salt: salt)
    datagram.storeBigEndian(salt ^ secret, at: 0)
  }

  /// Unmasks a datagram into room of its size, its salt becoming 0. What was masked with another secret becomes noise.
  public func unmask(_ datagram: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer) {
    precondition(plain.count == datagram.count)
    guard datagram.count >= DatagramHeader.saltLength else { return plain.copyMemory(from: datagram) }
    applyKeyStream(from: datagram, to: plain, salt: datagram.bigEndian(UInt64.self, at: 0) ^ secret)
    plain.storeBigEndian(0 as UInt64, at: 0)
  }

  /// `source` and `target` are of one size, and may be the same.
  private func applyKeyStream(
    from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, salt: UInt64
  ) {
    guard var input = source.baseAddress, var output = target.baseAddress else { return }
    input += DatagramHeader.saltLength
    output += DatagramHeader.saltLength
    var left = target.count - DatagramHeader.saltLength
    var state = secret
    while left >= 8 {
      // The block's bytes in the order of memory, which are the next state, too.
      state = Self.nextState(state, salt)
      output.storeBytes(of: input.loadUnaligned(as: UInt64.self) ^ state.littleEndian, as: UInt64.self)
      input += 8
      output += 8
      left -= 8
    }
    guard left > 0 else { return }
    state = Self.nextState(state, salt)
    for index in 0..<left {
      let byte = UInt8(truncatingIfNeeded: state >> UInt64(8 * index))
      output.storeBytes(
        of: input.load(fromByteOffset: index, as: UInt8.self) ^ byte, toByteOffset: index, as: UInt8.self)
    }
  }

  @inline(__always)
  private static func nextState(_ state: UInt64, _ salt: UInt64) -> UInt64 {
    let sum = state &+ salt
    let turn = (sum & 63) | 1
    return (((sum &>> turn) | (sum &<< (64 &- turn))) ^ salt).byteSwapped
  }
}
