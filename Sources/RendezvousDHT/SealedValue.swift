import COpenDHT
import Crypto
import Identity
import Rendezvous

/// A value of the DHT: what somebody put, or what we are to put. Its data are encrypted to one recipient.
///
/// `@unchecked`: the object behind the pointer is owned by this one, and only read from its creation until `deinit`.
final class SealedValue: @unchecked Sendable {
  let pointer: OpaquePointer

  /// The number of the invite that it is, or answers.
  var id: UInt64 { codht_value_id(pointer) }
  /// Whether it is of the type that the reference uses.
  var isUserData: Bool { codht_value_is_user_data(pointer) }

  init(owning pointer: OpaquePointer) { self.pointer = pointer }

  deinit { codht_value_free(pointer) }

  /// Whose key signed it, nil when it is not signed. OpenDHT has checked the signature.
  var owner: CertificateID? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(CODHT_HASH_LENGTH)) { id in
      codht_value_owner(pointer, id.baseAddress) ? CertificateID(bytes: id) : nil
    }
  }

  /// How many bytes its data have.
  var size: Int { withData { $0.count } }

  /// SHA-256 of the data: tells repeats of one message from others without opening them.
  var digest: SHA256.Digest { withData { SHA256.hash(data: $0) } }

  /// Calls `body` with the data.
  func withData<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    var length = 0
    let start = codht_value_data(pointer, &length)
    return withExtendedLifetime(self) { body(UnsafeBufferPointer(start: start, count: length)) }
  }
}

/// Seals what we send, and opens what was sent to us.
///
/// `@unchecked`: the key behind the pointer is owned by this object and only read; GnuTLS allows that from any thread.
final class Sealer: @unchecked Sendable {
  private let privateKey: OpaquePointer

  /// Takes the private key, PEM.
  init(privateKeyPEM: String) throws {
    var error: UnsafeMutablePointer<CChar>?
    let bytes = Array(privateKeyPEM.utf8)
    guard let key = codht_private_key_read(bytes, bytes.count, &error) else {
      throw RendezvousError(
        .unusableKey, "the own private key cannot be used for the DHT (\(text(taking: error))); make a new identity")
    }
    privateKey = key
  }

  deinit { codht_private_key_free(privateKey) }

  /// `line`, encrypted to `peer` and signed by us.
  func seal(_ line: String, to peer: PeerIdentity, id: UInt64) throws -> SealedValue {
    var error: UnsafeMutablePointer<CChar>?
    guard let recipient = codht_certificate_read(peer.certificateDER, peer.certificateDER.count, &error) else {
      throw unusable(peer, error)
    }
    defer { codht_public_key_free(recipient) }
    let bytes = line.utf8.map { CChar(bitPattern: $0) }
    guard let value = codht_value_seal(bytes, bytes.count, recipient, privateKey, id, 0, &error) else {
      throw unusable(peer, error)
    }
    return SealedValue(owning: value)
  }

  /// The same message under another id, or as a newer edition, which is shown to listeners anew.
  func reseal(_ value: SealedValue, id: UInt64, edition: UInt16) throws -> SealedValue {
    var error: UnsafeMutablePointer<CChar>?
    guard let copy = codht_value_reseal(value.pointer, privateKey, id, edition, &error) else {
      throw RendezvousError(.unusableKey, "a message cannot be signed (\(text(taking: error))); make a new identity")
    }
    return SealedValue(owning: copy)
  }

  /// Checks the signature and decrypts: about 2 ms.
  ///
  /// - Throws: ``DropReason``.
  func open(_ value: SealedValue) throws(DropReason) -> String {
    var error: UnsafeMutablePointer<CChar>?
    var length = 0
    guard let opened = codht_value_open(value.pointer, privateKey, &length, &error) else {
      throw .notForUs(text(taking: error))
    }
    defer { codht_free(opened) }
    let bytes = UnsafeRawBufferPointer(start: opened, count: length)
    guard let line = String(validating: bytes, as: UTF8.self) else { throw .malformed("it is no text") }
    return line
  }

  private func unusable(_ peer: PeerIdentity, _ error: UnsafeMutablePointer<CChar>?) -> RendezvousError {
    RendezvousError(
      .unusableKey,
      "nothing can be encrypted to the certificate of \(peer.name) (\(text(taking: error))); import it anew")
  }
}

/// Takes over an error text of the shim.
func text(taking error: UnsafeMutablePointer<CChar>?) -> String {
  guard let error else { return "unknown error" }
  defer { codht_free(error) }
  return String(cString: error)
}
