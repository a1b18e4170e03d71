import FoundationEssentials
import Glibc
import Identity
import Testing

@testable import RendezvousDHT

/// Identities for all tests, made once: RSA keys take their time.
enum Cast {
  static let ann = member("ann@example.org/desk")
  static let annsOther = member("ann@example.org/lap")
  static let bob = member("bob@example.org/home")
  static let eve = member("eve@example.org/den")

  private static let names = [
    "ann@example.org/desk", "ann@example.org/lap", "bob@example.org/home", "eve@example.org/den",
  ]
  private static let made = Result { try makeAll() }

  /// The folder that holds them all, with their private keys.
  static func folder() throws -> String { try made.get().path }

  private static func makeAll() throws -> (path: String, own: [String: OwnIdentity]) {
    let path = temporaryFolder()
    let repository = try ApplicationRepository(path: path)
    var own: [String: OwnIdentity] = [:]
    for name in names {
      own[name] = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
    atexit { try? FileManager.default.removeItem(atPath: Cast.folder()) }
    return (path, own)
  }

  private static func member(_ name: String) -> Result<OwnIdentity, any Error> {
    Result {
      let all = try made.get().own
      return try #require(all[name])
    }
  }
}

/// A fresh folder under the temporary one.
func temporaryFolder() -> String {
  let path = "\(FileManager.default.temporaryDirectory.path)/plexus-tests-\(UInt64.random(in: 0...UInt64.max))"
  try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

/// Calls `body` with a folder that is removed afterwards.
func withTemporaryFolder<Result: Sendable>(_ body: @Sendable (String) async throws -> Result) async throws -> Result {
  let path = temporaryFolder()
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}

/// Writes the certificate of `member` into the repository at `folder`.
func know(_ member: OwnIdentity, in folder: String) throws {
  let repository = try ApplicationRepository(path: folder)
  _ = try repository.importCertificate(
    from: .file("\(Cast.folder())/\(member.identity.name)/cert.crt"), as: member.identity.name)
}
