import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

@testable import Identity

/// RSA keys are slow to make, so all tests share two.
enum Keys {
  private static let firstResult = Result { try _RSA.Signing.PrivateKey(keySize: .bits2048) }
  private static let secondResult = Result { try _RSA.Signing.PrivateKey(keySize: .bits2048) }

  static var first: _RSA.Signing.PrivateKey { get throws { try firstResult.get() } }
  static var second: _RSA.Signing.PrivateKey { get throws { try secondResult.get() } }
}

/// Certificates in PEM.
enum Certificates {
  /// A good one of `name`.
  static func rsa(
    _ name: String = "alice@lab.net/a", key: _RSA.Signing.PrivateKey, days: Int = 10, at date: Date = Date()
  ) throws -> String {
    try Certificate(selfSignedFor: IdentityName(name), key: key, options: .init(days: days), at: date).pem
  }

  /// One with an elliptic-curve key.
  static func ellipticCurve() throws -> String {
    try selfSigned(owner: "alice@lab.net", pin: "a", key: .init(P256.Signing.PrivateKey()))
  }

  /// One whose subject may be no name of an identity.
  static func rsa(owner: String, pin: String, key: _RSA.Signing.PrivateKey) throws -> String {
    try selfSigned(owner: owner, pin: pin, key: .init(key))
  }

  private static func selfSigned(owner: String, pin: String, key: Certificate.PrivateKey) throws -> String {
    let subject = try DistinguishedName {
      OrganizationName(owner)
      CommonName(pin)
    }
    return try Certificate(
      version: .v3, serialNumber: .init(), publicKey: key.publicKey, notValidBefore: Date() - 60,
      notValidAfter: Date() + 86_400, issuer: subject, subject: subject, extensions: .init(), issuerPrivateKey: key
    ).pem
  }

  /// One with an RSA key of 1024 bits, made with `openssl req -x509 -newkey rsa:1024 -days 36500`.
  static let shortRSA = """
    -----BEGIN CERTIFICATE-----
    MIICDjCCAXegAwIBAgIUalvwy5/NZ0wYCpXX7l73JMvy7sIwDQYJKoZIhvcNAQEL
    BQAwGDEKMAgGA1UECgwBbzEKMAgGA1UEAwwBcDAgFw0yNjExMjMwMTU4MTFaGA8y
    MTI2MTAzMDAxNTgxMVowGDEKMAgGA1UECgwBbzEKMAgGA1UEAwwBcDCBnzANBgkq
    hkiG9w0BAQEFAAOBjQAwgYkCgYEAzLwcTqZ3x5M7shSPlsqZ+gj446Vau6Pbh3Dg
    usUk+h+4LyblENlooz/z/rY7+7OMA5k3REnOdGvP9vUk02emUhTUVgLLxgUEv/+9
    JjTZ9NlSFiV0m+dr3QAvQFd8MadQfxhXo57nQ+H0oiy3Z5nDBV3yR+TrORiYpvY5
    CWASGN8CAwEAAaNTMFEwHQYDVR0OBBYEFGTbphfLRnlpIeDcChBLqYjd04xGMB8G
    A1UdIwQYMBaAFGTbphfLRnlpIeDcChBLqYjd04xGMA8GA1UdEwEB/wQFMAMBAf8w
    DQYJKoZIhvcNAQELBQADgYEAtbYalHN+ftHTR5bARvbuLFhBUiRQI1VW9XrvdtpM
    y9+YmGbZwXpfA6laSA01wJt4bM7ChgExRtHiYeK9YIeTxsfxm6Inug0u5mq4fbKu
    UYJnAvUK2mQ1y+2EdkgNjyq8+1tYjVtGNCWZ9KHNeLmZ2O/H3cMblZMZRfMgsXri
    JLg=
    -----END CERTIFICATE-----

    """
}

extension Certificate {
  var pem: String {
    get throws {
      var serializer = DER.Serializer()
      try serializer.serialize(self)
      return CertificateText.pem(serializer.serializedBytes)
    }
  }
}

/// A folder for one test, removed after it.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.path + "/plexus-identity-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}

/// An empty repository for one test, removed after it.
func withRepository(_ body: (ApplicationRepository) throws -> Void) throws {
  try withTemporaryFolder { try body(ApplicationRepository(path: $0)) }
}

extension ApplicationRepository {
  /// Puts a file into the folder of an identity, as a user's hands might.
  func put(_ text: String, as file: String, of name: String) throws {
    let folder = try folder(IdentityName(name))
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(file)"))
  }

  /// Removes the folder of an identity.
  func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: folder(IdentityName(name)))
  }
}

/// The code of the identity error that `body` throws; nil when it throws none.
func code(of body: () throws -> Void) -> IdentityError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? IdentityError)?.code
  }
}
