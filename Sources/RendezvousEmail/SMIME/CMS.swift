import CSMIME

/// What libcrypto refused: its words, which hold nothing of the content.
struct CMSFailure: Error, Hashable, CustomStringConvertible {
  let description: String

  fileprivate init(taking error: UnsafeMutablePointer<CChar>?) {
    description = error.map { String(cString: $0) } ?? "unknown error"
    csmime_free(error)
  }
}

/// A certificate as libcrypto has it.
///
/// `@unchecked`: the object behind the pointer is owned by this one and only read; libcrypto allows that from any thread.
final class CMSCertificate: @unchecked Sendable {
  fileprivate let pointer: OpaquePointer

  init(der: [UInt8]) throws(CMSFailure) {
    var error: UnsafeMutablePointer<CChar>?
    guard let pointer = csmime_certificate_read(der, der.count, &error) else { throw CMSFailure(taking: error) }
    self.pointer = pointer
  }

  deinit { csmime_certificate_free(pointer) }

  /// Throws unless this certificate is valid now and chains to `authority`.
  func verifyChain(to authority: CMSCertificate) throws(CMSFailure) {
    var error: UnsafeMutablePointer<CChar>?
    guard csmime_certificate_chains(pointer, authority.pointer, &error) else { throw CMSFailure(taking: error) }
  }

  /// DER that only the owner of this certificate's key can read.
  func encrypt(_ content: [UInt8]) throws(CMSFailure) -> [UInt8] {
    var length = 0
    var error: UnsafeMutablePointer<CChar>?
    return try bytes(taking: csmime_encrypt(content, content.count, pointer, &length, &error), length, error)
  }

  /// What was signed, if the owner of this certificate's key, and nobody else, did it.
  ///
  /// - Parameter content: what a detached signature is over; nil for a signature that holds its content.
  func verify(_ signature: [UInt8], over content: [UInt8]?) throws(CMSFailure) -> [UInt8] {
    var length = 0
    var error: UnsafeMutablePointer<CChar>?
    // An empty content is one, too: NULL would say that there is none.
    let padded = content.map { $0 + [0] }
    let result = csmime_verify(signature, signature.count, padded, content?.count ?? 0, pointer, &length, &error)
    return try bytes(taking: result, length, error)
  }
}

/// The own private key with its certificate.
///
/// `@unchecked`: as ``CMSCertificate``.
final class CMSKey: @unchecked Sendable {
  private let pointer: OpaquePointer
  private let certificate: CMSCertificate

  init(pem: String, certificate: CMSCertificate) throws(CMSFailure) {
    var error: UnsafeMutablePointer<CChar>?
    let text = pem.utf8.map { CChar(bitPattern: $0) }
    guard let pointer = csmime_key_read(text, text.count, &error) else { throw CMSFailure(taking: error) }
    self.pointer = pointer
    self.certificate = certificate
  }

  deinit { csmime_key_free(pointer) }

  /// A detached signature, DER.
  func sign(_ content: [UInt8]) throws(CMSFailure) -> [UInt8] {
    var length = 0
    var error: UnsafeMutablePointer<CChar>?
    let result = csmime_sign(content, content.count, certificate.pointer, pointer, &length, &error)
    return try bytes(taking: result, length, error)
  }

  /// What was encrypted to the own certificate, DER or BER.
  func decrypt(_ message: [UInt8]) throws(CMSFailure) -> [UInt8] {
    var length = 0
    var error: UnsafeMutablePointer<CChar>?
    let result = csmime_decrypt(message, message.count, certificate.pointer, pointer, &length, &error)
    return try bytes(taking: result, length, error)
  }
}

/// Takes over a result of the shim.
private func bytes(
  taking result: UnsafeMutablePointer<UInt8>?, _ length: Int, _ error: UnsafeMutablePointer<CChar>?
) throws(CMSFailure) -> [UInt8] {
  guard let result else { throw CMSFailure(taking: error) }
  defer { csmime_wipe(result, length) }
  return Array(UnsafeBufferPointer(start: result, count: length))
}
