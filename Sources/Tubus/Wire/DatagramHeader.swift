// A tubus datagram, version 1.2; every number is big-endian:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   |  salt: 0 in the clear, otherwise salt XOR secret (64 bits)    |
//   |                                                               |
//   +-------------------------------+-------------------------------+
//   |      signature 0x0909         |        version 0x0102         |
//   +-------------------------------+-------------------------------+
//   |             pin: the sender's number of the connection        |
//   +-------------------------------+-------------------------------+
//   |         section type          |    length of the value        |
//   +-------------------------------+-------------------------------+
//   |  value …  then the next section, to the end or to type 0      |

/// The fixed start of every tubus datagram.
public struct DatagramHeader: Hashable, Sendable {
  /// Bytes of the header.
  public static let length = 16
  static let saltLength = 8
  static let signature: UInt16 = 0x0909
  static let version: UInt16 = 0x0102

  /// The number by which the sender knows the connection, never 0.
  public var pin: UInt32

  /// A header of this protocol's version.
  public init(pin: UInt32) { self.pin = pin }

  /// Reads the header of a datagram in the clear; nil where it is not tubus 1.2 or has no pin.
  init?(_ datagram: UnsafeRawBufferPointer) {
    guard datagram.count >= Self.length,
      datagram.bigEndian(UInt16.self, at: 8) == Self.signature,
      datagram.bigEndian(UInt16.self, at: 10) == Self.version
    else { return nil }
    let pin = datagram.bigEndian(UInt32.self, at: 12)
    guard pin != 0 else { return nil }
    self.init(pin: pin)
  }
}

extension UnsafeRawBufferPointer {
  /// The number at `offset`, which the caller knows to be inside.
  @inline(__always)
  func bigEndian<Number: FixedWidthInteger>(_: Number.Type, at offset: Int) -> Number {
    precondition(offset >= 0 && offset + MemoryLayout<Number>.size <= count)
    return Number(bigEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Writes a number at `offset`, which the caller knows to have room for it.
  @inline(__always)
  func storeBigEndian(_ number: some FixedWidthInteger, at offset: Int) {
    precondition(offset >= 0 && offset + MemoryLayout.size(ofValue: number) <= count)
    storeBytes(of: number.bigEndian, toByteOffset: offset, as: type(of: number))
  }
}
