import CryptoExtras
import FoundationEssentials
import LibC
import SwiftASN1
import X509

/// What importing a certificate did.
public struct ImportedCertificate: Hashable, Sendable {
  /// The peer as it is in the repository now.
  public let peer: PeerIdentity
  /// The certificate that it replaced, if it could still be read.
  public let replaced: PeerIdentity?
  /// Whether exactly this certificate was there before, so that nothing was written.
  public let wasThere: Bool
}

/// Where a certificate to import comes from.
public enum CertificateSource: Hashable, Sendable {
  /// The file at a path.
  case file(String)
  /// Standard input, to its end.
  case standardInput

  fileprivate func read() throws -> [UInt8] {
    do {
      return switch self {
      case .file(let path): try SmallFile.read(path).bytes
      case .standardInput: try SmallFile.read(descriptor: STDIN_FILENO)
      }
    } catch {
      throw error.error(path: description)
    }
  }
}

extension CertificateSource: CustomStringConvertible {
  /// What to call it in a sentence.
  public var description: String {
    switch self {
    case .file(let path): path
    case .standardInput: "standard input"
    }
  }
}

extension ApplicationRepository {
  /// Makes a new identity: an RSA key and a self-signed certificate.
  ///
  /// Takes from a tenth of a second to several seconds of processor time, depending on the size of the key.
  /// - Throws: ``IdentityError``: `alreadyExists`, `badOption`, `fileNotWritable`.
  public func create(
    _ name: IdentityName, options: NewIdentityOptions = NewIdentityOptions(), at date: Date = Date()
  ) throws -> OwnIdentity {
    try options.validate()
    // Found out before seconds go into a key.
    try requireAbsent(name)
    return try create(
      name, key: _RSA.Signing.PrivateKey(keySize: .init(bitCount: options.bits)), options: options, at: date)
  }

  /// Makes a new identity of a key that is there.
  func create(
    _ name: IdentityName, key: _RSA.Signing.PrivateKey, options: NewIdentityOptions = NewIdentityOptions(),
    at date: Date = Date()
  ) throws -> OwnIdentity {
    try requireAbsent(name)
    let certificate = try Certificate(selfSignedFor: name, key: key, options: options, at: date)
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    let pem = CertificateText.pem(serializer.serializedBytes)
    try place(name) { folder in
      try PrivateFolder.writeNew(Array(key.pkcs8PEMRepresentation.utf8), to: "\(folder)/private.key", mode: 0o600)
      try PrivateFolder.writeNew(Array(pem.utf8), to: "\(folder)/cert.crt", mode: 0o644)
    }
    return try ownIdentity(name, at: date)
  }

  /// Puts a peer's certificate where it belongs.
  ///
  /// - Parameters:
  ///   - source: What the peer sent. Of a chain only the first certificate is kept.
  ///   - name: The peer; nil to believe the certificate's subject, which the user has to confirm by the fingerprint.
  ///   - replacing: Whether a different certificate of that name may be replaced. One's own never is.
  /// - Throws: ``IdentityError``: `alreadyExists`, `badName`, and the codes for an unusable certificate.
  public func importCertificate(
    from source: CertificateSource, as name: IdentityName? = nil, replacing: Bool = false, at date: Date = Date()
  ) throws -> ImportedCertificate {
    let file = try source.read()
    let source = source.description
    let der = try CertificateText.firstCertificate(in: file, source: source)
    let certificate = try Certificate(der: der, source: source)
    guard let name = name ?? certificate.nameInSubject else {
      throw IdentityError(
        .badName, "the certificate in \(source) does not say whose it is; give the identity as OWNER/PIN")
    }
    let peer = try PeerIdentity(name: name, certificate: certificate, der: der, source: source)
    try peer.checkValidity(at: date)
    let old = entry(name, at: date)
    if old.identity?.certificateDER == der { return ImportedCertificate(peer: peer, replaced: nil, wasThere: true) }
    guard !old.hasPrivateKey else {
      throw IdentityError(
        .alreadyExists,
        "\(name) is an identity of your own, and the certificate in \(source) is another; "
          + "import it under the name of the peer")
    }
    let pem = Array(peer.certificatePEM.utf8)
    if access(certificatePath(name), F_OK) == 0 {
      guard replacing else {
        throw IdentityError(
          .alreadyExists,
          "\(name) has another certificate already"
            + (old.identity.map { " (fingerprint \($0.fingerprint))" } ?? "")
            + "; if the peer confirms the change, import with --force")
      }
      try writeCertificate(pem, of: name)
    } else if access(folder(name), F_OK) == 0 {
      try writeCertificate(pem, of: name)
    } else {
      try place(name) { folder in try PrivateFolder.writeNew(pem, to: "\(folder)/cert.crt", mode: 0o644) }
    }
    return ImportedCertificate(peer: peer, replaced: old.identity, wasThere: false)
  }

  private func requireAbsent(_ name: IdentityName) throws {
    guard access(certificatePath(name), F_OK) != 0, access(keyPath(name), F_OK) != 0 else {
      throw IdentityError(.alreadyExists, "\(name) is there already; choose another pin, or remove \(folder(name))")
    }
  }

  /// Makes the folder of `name`, filled by `fill`, all at once.
  private func place(_ name: IdentityName, fill: (_ folder: String) throws -> Void) throws {
    let owner = "\(path)/\(name.owner)"
    let ownerIsNew = try PrivateFolder.make(owner)
    // Fails, as it should, when something else is in there.
    defer { if ownerIsNew { rmdir(owner) } }
    let temporary = try PrivateFolder.makeTemporary(in: owner)
    do {
      try fill(temporary)
      PrivateFolder.synchronize(temporary)
      // Replaces an empty folder, and nothing else.
      guard rename(temporary, folder(name)) == 0 else {
        guard errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR else {
          throw PrivateFolder.failure(writing: folder(name))
        }
        throw IdentityError(.alreadyExists, "\(folder(name)) is in use; choose another pin, or remove it")
      }
    } catch {
      for file in ["cert.crt", PrivateKeyFile.name] { unlink("\(temporary)/\(file)") }
      rmdir(temporary)
      throw error
    }
    PrivateFolder.synchronize(owner)
    PrivateFolder.synchronize(path)
  }

  /// Puts a certificate into a folder that is there, in place of the old one if there is one.
  private func writeCertificate(_ file: [UInt8], of name: IdentityName) throws {
    let temporary = try PrivateFolder.makeTemporary(in: folder(name))
    defer { rmdir(temporary) }
    let new = "\(temporary)/cert.crt"
    try PrivateFolder.writeNew(file, to: new, mode: 0o644)
    guard rename(new, certificatePath(name)) == 0 else {
      let error = PrivateFolder.failure(writing: certificatePath(name))
      unlink(new)
      throw error
    }
    PrivateFolder.synchronize(folder(name))
  }
}
