import Foundation
import PlexusTesting
import Rendezvous
import Testing

@testable import RendezvousEmail

/// A real mail server on loopback, one for a test.
struct MailServers {
  let site: MailServerSite
  /// Runs the servers; ended to stop them.
  private let process: Process

  static let password = "correct horse \"battery\" \\staple"
  static let accounts = ["ann", "bob", "eve", "shared"].map {
    MailServerSite.Account(address: "\($0)@example.org", password: password)
  }

  static func run<Value>(
    idle: Bool = true, messageLimit: Int = 10_240_000, _ body: (MailServers) async throws -> Value
  ) async throws -> Value {
    try await HeavyTests.run {
      let site = try MailServerSite(
        address: "127.0.0.1", ports: .init(from: .random(in: 20_000...59_000)), accounts: accounts,
        domain: "example.org",
        idle: idle, messageLimit: messageLimit)
      defer { site.remove() }
      let servers = try MailServers(site)
      do {
        let value = try await body(servers)
        servers.stop()
        return value
      } catch {
        servers.stop()
        // What the servers said, which is gone with them otherwise.
        for file in ["dovecot.log", "postfix.log"] {
          print((try? String(contentsOfFile: "\(site.folder)/\(file)", encoding: .utf8)) ?? "no \(file)")
        }
        throw error
      }
    }
  }

  private init(_ site: MailServerSite) throws {
    self.site = site
    process = try Self.start(site)
  }

  private static func start(_ site: MailServerSite) throws -> Process {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [site.script]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    try process.run()
    let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard said == "ready\n" else {
      process.terminate()
      throw MailServerFailure(said: said)
    }
    return process
  }

  private func stop() {
    process.terminate()
    process.waitUntilExit()
  }

  /// Stops the servers, and starts them again after `body`.
  func restarted(_ body: () async throws -> Void) async throws -> MailServers {
    stop()
    try await body()
    return try MailServers(site)
  }

  func configuration(_ login: String, configure: (inout EmailConfiguration) -> Void = { _ in }) -> EmailConfiguration {
    var configuration = EmailConfiguration(
      smtp: MailServer(host: "127.0.0.1", port: site.ports.smtps),
      imap: MailServer(host: "127.0.0.1", port: site.ports.imaps), login: login, password: .text(Self.password))
    configuration.authorityFile = site.authorityFile
    configure(&configuration)
    return configuration
  }
}

struct MailServerFailure: Error {
  let said: String
}
