import COpenDHT
import Testing

@testable import RendezvousDHT

/// What fuzzing found in values that a peer sealed.
@Suite struct SealedTextTests {
  private static func open(packed: [UInt8]) throws -> Result<String, DropReason> {
    let (own, peer) = (FuzzKeys.own, FuzzKeys.peer)
    let value = try #require(
      codht_value_seal_packed(packed, packed.count, own.publicKey, peer.key, 1, 0, nil))
    return Result { () throws(DropReason) in try FuzzKeys.sealer.open(SealedValue(owning: value)) }
  }

  /// The reader of msgpack would take 6 GB for the elements of the first.
  @Test(
    arguments: [
      [0xDD, 0x10, 0, 0, 0], [0xDF, 0x10, 0, 0, 0], [0xDB, 0xFF, 0xFF, 0xFF, 0xFF], [0xA5, 0x61], [0xD9], [0x2A], [],
    ] as [[UInt8]])
  func whatHoldsNoWholeTextIsRefused(packed: [UInt8]) throws {
    #expect(throws: DropReason.self) { try Self.open(packed: packed).get() }
  }

  /// Each length is another form of msgpack.
  @Test(arguments: [0, 31, 32, 255, 256, 65_535, 65_536])
  func textsArriveWhole(length: Int) throws {
    let text = String(repeating: "x", count: length)
    let sealed = try FuzzKeys.sealer.seal(text, to: FuzzKeys.own.identity, id: 1)
    #expect(try FuzzKeys.sealer.open(sealed) == text)
  }
}
