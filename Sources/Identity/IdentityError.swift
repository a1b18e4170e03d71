/// Why an identity, a certificate or the application repository could not be used: one sentence that says what to do.
public struct IdentityError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Hashable, Sendable {
    /// A name or pattern is not written as `OWNER/PIN`, or could lead out of the repository.
    case badName
    /// The application repository is missing, no folder, or not readable.
    case repositoryUnusable
    /// The repository has no such identity.
    case unknownIdentity
    /// The identity has no private key, so it is a peer's and not one's own.
    case notOwn
    /// A file cannot be read, or is no regular file.
    case fileUnusable
    /// A file or folder cannot be written or made.
    case fileNotWritable
    /// A file holds more than an identity file may.
    case fileTooLarge
    /// A file holds no certificate, or one that cannot be parsed.
    case notACertificate
    /// A private key where a certificate belongs.
    case privateKeyInsteadOfCertificate
    /// The certificate's key is not RSA of at least 2048 bits.
    case unsupportedKey
    /// The certificate has expired.
    case expired
    /// The certificate is not valid yet.
    case notYetValid
    /// The private key cannot be read, or is encrypted.
    case badPrivateKey
    /// The private key does not belong to the certificate.
    case keyMismatch
    /// There is already an identity or another certificate under that name.
    case alreadyExists
    /// An option has a value out of its range.
    case badOption
  }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String

  /// Joins a code and its sentence.
  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
