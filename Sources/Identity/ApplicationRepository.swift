import FoundationEssentials
import LibC
import Logging

/// The folder of identities: `REPO/OWNER/PIN/cert.crt`, one's own with `private.key` beside it.
///
/// Every call reads the folder as it is at that moment; nothing is cached (`RepositoryIndex` does that). Symbolic
/// links are followed.
public struct ApplicationRepository: Sendable {
  /// The folder, as it was given.
  public let path: String

  /// Opens the repository at `path`.
  ///
  /// - Throws: ``IdentityError`` with code `repositoryUnusable` unless it is a folder that this user can read.
  public init(path: String) throws {
    self.path = path
    do {
      guard try FileStamp(path: path).isDirectory else {
        throw IdentityError(.repositoryUnusable, "the application repository \(path) is no folder; give one")
      }
    } catch let failure as SmallFile.Failure {
      throw IdentityError(.repositoryUnusable, Self.sentence(for: failure, path: path))
    }
    guard access(path, R_OK | X_OK) == 0 else {
      throw IdentityError(.repositoryUnusable, Self.sentence(for: .system(errno), path: path))
    }
  }

  /// Opens the repository at `path`, and makes the folder (mode 0700) if it is not there; its parent must be.
  ///
  /// - Throws: ``IdentityError`` when it cannot be made or used.
  public static func openOrCreate(path: String) throws -> ApplicationRepository {
    _ = try PrivateFolder.make(path)
    return try ApplicationRepository(path: path)
  }

  private static func sentence(for failure: SmallFile.Failure, path: String) -> String {
    switch failure {
    case .missing: "there is no application repository \(path); make the folder, or name another with --app-repo"
    case .system(let code): "cannot read the application repository \(path): \(systemMessage(code))"
    case .notRegular, .tooLarge: "the application repository \(path) is no folder; give one"
    }
  }

  /// The identity `name` with its private key.
  ///
  /// - Throws: ``IdentityError``: `unknownIdentity`, `notOwn` when there is no private key, `keyMismatch`, `expired` and
  ///   the other codes for an unusable certificate or key.
  public func ownIdentity(_ name: IdentityName, at date: Date = Date()) throws -> OwnIdentity {
    guard access(certificatePath(name), F_OK) == 0 else {
      throw IdentityError(
        .unknownIdentity,
        "\(name) is not in the application repository \(self.path); make it with `plexus identity new`")
    }
    let identity = try peer(name, at: date)
    let path = keyPath(name)
    let key: (bytes: [UInt8], stamp: FileStamp)
    do {
      key = try SmallFile.read(path)
    } catch .missing {
      throw IdentityError(
        .notOwn, "\(name) has no private key here, so it is a peer's; name an identity of your own")
    } catch {
      throw error.error(path: path, content: "private key")
    }
    return OwnIdentity(
      identity: identity,
      privateKeyPEM: try PrivateKeyFile.read(key.bytes, belongingTo: identity.certificateDER, path: path),
      caCertificateDER: try authority(name),
      permissionsWarning: PrivateKeyFile.permissionsWarning(key.stamp, path: path))
  }

  /// The identity `name` as peers see it.
  ///
  /// - Throws: ``IdentityError``: `unknownIdentity`, `expired` and the other codes for an unusable certificate.
  public func peer(_ name: IdentityName, at date: Date = Date()) throws -> PeerIdentity {
    let identity = try readCertificate(name).identity
    try identity.checkValidity(at: date)
    return identity
  }

  /// Every usable identity that `pattern` means, sorted by name; one's own too, since two may share a repository.
  ///
  /// Unusable folders are skipped with a debug line. At most 4,096 out of 16,384 folders.
  public func peers(
    matching pattern: IdentityPattern, at date: Date = Date(), logger: Logger? = nil
  ) throws -> [PeerIdentity] {
    try entries(matching: pattern, at: date, logger: logger).compactMap(\.usable)
  }

  /// Every usable identity that has a private key, sorted by name.
  public func ownIdentities(at date: Date = Date(), logger: Logger? = nil) throws -> [PeerIdentity] {
    try entries(matching: .any, at: date, logger: logger).filter(\.hasPrivateKey).compactMap(\.usable)
  }

  /// The certificate of `name`, checked for everything but the time, and the stamp of its file.
  func readCertificate(_ name: IdentityName) throws -> (identity: PeerIdentity, stamp: FileStamp) {
    let path = certificatePath(name)
    do {
      let file = try SmallFile.read(path)
      return (try PeerIdentity(name: name, pem: file.bytes, source: path), file.stamp)
    } catch SmallFile.Failure.missing {
      throw IdentityError(
        .unknownIdentity,
        "\(name) is not in the application repository \(self.path); import its certificate with `plexus identity import`"
      )
    } catch let failure as SmallFile.Failure {
      throw failure.error(path: path)
    }
  }

  private func authority(_ name: IdentityName) throws -> [UInt8]? {
    let path = folder(name) + "/ca.crt"
    do {
      let der = try CertificateText.firstCertificate(in: SmallFile.read(path).bytes, source: path)
      return der
    } catch SmallFile.Failure.missing {
      return nil
    } catch let failure as SmallFile.Failure {
      throw failure.error(path: path)
    }
  }

  /// The folder of an identity. Names are checked when they are made, so this leads nowhere else.
  public func folder(_ name: IdentityName) -> String { "\(path)/\(name.owner)/\(name.pin)" }
  /// The file of an identity's certificate.
  public func certificatePath(_ name: IdentityName) -> String { "\(folder(name))/cert.crt" }
  /// The file of an identity's private key, whether there is one or not.
  public func keyPath(_ name: IdentityName) -> String { "\(folder(name))/\(PrivateKeyFile.name)" }
}
