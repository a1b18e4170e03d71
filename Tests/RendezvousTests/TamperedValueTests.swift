import COpenDHT
import Identity
import PlexusTesting
import Testing

@testable import RendezvousDHT

/// A node of the DHT that changes, on its way, what a peer has put there.
@Suite("Values that were tampered with")
struct TamperedValueTests {
  @Test("A changed bit anywhere never gives another message, nor one in another's name")
  func changed() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    let line = try reference().line
    let (packed, annsSealer) = try sealed(line, by: bob, to: ann)
    #expect(try open(packed, with: annsSealer)?.text == line)
    for place in packed.indices {
      // Decrypting takes its time; others test beside us.
      await Task.yield()
      var changed = packed
      changed[place] ^= 1 << UInt8(place % 8)
      guard let opened = try open(changed, with: annsSealer) else { continue }
      // The number of a value is not signed: it is all that can differ.
      #expect(opened.text == line && opened.owner == bob.identity.certificateID, "byte \(place)")
    }
  }

  @Test("A value that was cut short gives no message")
  func truncated() async throws {
    let (ann, bob) = try (Cast.ann.get(), Cast.bob.get())
    let (packed, annsSealer) = try sealed(reference().line, by: bob, to: ann)
    for length in packed.indices {
      await Task.yield()
      #expect(try open(Array(packed[..<length]), with: annsSealer)?.text == nil, "\(length) bytes")
    }
  }

  /// What is in the bytes of a packet for the holder of a key; nil for nothing that would be served.
  private func open(
    _ packed: [UInt8], with sealer: Sealer
  ) throws -> (text: String, owner: CertificateID?)? {
    guard let pointer = codht_value_unpack(packed, packed.count, nil) else { return nil }
    let value = SealedValue(owning: pointer)
    guard let text = try? sealer.open(value) else { return nil }
    return (text, value.owner)
  }

  private func sealed(_ line: String, by sender: OwnIdentity, to own: OwnIdentity) throws -> ([UInt8], Sealer) {
    let value = try Sealer(privateKeyPEM: sender.privateKeyPEM).seal(line, to: own.identity, id: 1_700_000_000)
    var length = 0
    let bytes = try #require(codht_value_pack(value.pointer, &length, nil))
    defer { codht_free(bytes) }
    return (Array(UnsafeBufferPointer(start: bytes, count: length)), try Sealer(privateKeyPEM: own.privateKeyPEM))
  }
}
