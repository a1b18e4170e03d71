import Foundation
import Identity
import Logging
import Synchronization
import Testing

@testable import RendezvousEmail

/// Identities for all tests, made once: RSA keys take their time.
enum Cast {
  static let ann = "ann@example.org/desk"
  static let bob = "bob@example.org/home"
  static let eve = "eve@example.org/den"
  static let names = [ann, bob, eve]

  private static let made = Result { () throws -> (path: String, own: [String: OwnIdentity]) in
    let path = temporaryFolder()
    atexit { try? FileManager.default.removeItem(atPath: (try? Cast.folder()) ?? "/nonexistent") }
    let repository = try ApplicationRepository(path: path)
    var own: [String: OwnIdentity] = [:]
    for name in names {
      own[name] = try repository.create(IdentityName(name), options: NewIdentityOptions(bits: 2048))
    }
    return (path, own)
  }

  /// The folder that holds them all, with their private keys.
  static func folder() throws -> String { try made.get().path }

  /// An identity with its private key.
  static func own(_ name: String) throws -> OwnIdentity {
    let all = try made.get().own
    return try #require(all[name])
  }

  /// A repository in which `name` is one's own and the others are peers.
  static func repository(of name: String, knowing peers: [String] = names, in folder: String) throws -> String {
    let path = "\(folder)/\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for peer in Set(peers + [name]) {
      try FileManager.default.createDirectory(atPath: "\(path)/\(peer)", withIntermediateDirectories: true)
      let source = try Self.folder()
      for file in peer == name ? ["cert.crt", "private.key"] : ["cert.crt"] {
        try FileManager.default.copyItem(atPath: "\(source)/\(peer)/\(file)", toPath: "\(path)/\(peer)/\(file)")
      }
    }
    return path
  }
}

/// A fresh folder under the temporary one.
func temporaryFolder() -> String {
  let path = "\(FileManager.default.temporaryDirectory.path)/plexus-mail-\(UInt64.random(in: 0...UInt64.max))"
  try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

/// Calls `body` with a folder that is removed afterwards.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let path = temporaryFolder()
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}

/// The captured messages of the C++ tool.
enum Fixtures {
  static func bytes(_ name: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures"))
    return Array(try Data(contentsOf: url))
  }

  static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  private struct Keys: Decodable {
    var certificate_der_base64: String
    var pkcs8_der_base64: String
  }

  /// Writes the two identities into a repository, both with their keys.
  static func repository(in folder: String) throws -> ApplicationRepository {
    let all = try JSONDecoder().decode([String: Keys].self, from: Data(try bytes("identities.json")))
    for (name, keys) in all {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      for (file, label, der) in [
        ("cert.crt", "CERTIFICATE", keys.certificate_der_base64), ("private.key", "PRIVATE KEY", keys.pkcs8_der_base64),
      ] {
        let lines = Base64.encodeLines(try #require(Base64.decode(der.utf8))).replacing("\r", with: "")
        try "-----BEGIN \(label)-----\n\(lines)-----END \(label)-----\n".write(
          toFile: "\(folder)/\(name)/\(file)", atomically: true, encoding: .utf8)
      }
    }
    return try ApplicationRepository(path: folder)
  }

  /// When the captured identities were valid.
  static let date = Date(timeIntervalSince1970: 1_795_400_000)
}

/// Keeps what is logged.
final class LogLines: LogHandler, Sendable {
  private let lines = Mutex<[String]>([])

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }
  var metadata: Logger.Metadata {
    get { [:] }
    set {}
  }
  var logLevel: Logger.Level {
    get { .trace }
    set {}
  }

  func log(event: LogEvent) {
    lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
  }

  var all: [String] { lines.withLock { $0 } }
  var text: String { all.joined(separator: "\n") }
  var logger: Logger { Logger(label: "test") { _ in self } }

  /// Returns once a line holds `text`; cancelled by the test's time limit.
  func wait(for text: String) async throws {
    while !self.text.contains(text) { try await Task.sleep(for: .milliseconds(5)) }
  }
}
