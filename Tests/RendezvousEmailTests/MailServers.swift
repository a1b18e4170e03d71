import Foundation
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import RendezvousEmail

/// A real mail server on loopback, one for a test.
final class MailServers: Sendable {
  let site: MailServerSite
  private let process = Mutex<Process?>(nil)

  static let password = MailServerSite.password
  static let accounts = ["ann", "bob", "eve", "shared"].map { "\($0)@example.org" }

  /// Below those that the kernel gives by itself, and others for each server of this process.
  private static func freshPorts() -> UInt16 {
    20_000 + UInt16(truncatingIfNeeded: served.add(1, ordering: .relaxed).newValue % 600) * 20
  }

  private static let served = Atomic(Int.random(in: 0..<600))

  static func run<Value: Sendable>(
    idle: Bool = true, messageLimit: Int = 10_240_000, _ body: @Sendable (MailServers) async throws -> Value
  ) async throws -> Value {
    try await HeavyTests.run {
      let site = try MailServerSite(
        address: "127.0.0.1", ports: .init(from: Self.freshPorts()), accounts: accounts,
        domain: "example.org",
        idle: idle, messageLimit: messageLimit)
      defer { site.remove() }
      let servers = MailServers(site)
      defer { servers.stop() }
      try await servers.start()
      do { return try await body(servers) } catch {
        // What the servers said, which is gone with them otherwise.
        for file in ["dovecot.log", "postfix.log"] {
          print((try? String(contentsOfFile: "\(site.folder)/\(file)", encoding: .utf8)) ?? "no \(file)")
        }
        throw error
      }
    }
  }

  private init(_ site: MailServerSite) { self.site = site }

  private func start() async throws {
    let process = Process()
    let ready = "\(site.folder)/ready"
    try? FileManager.default.removeItem(atPath: ready)
    _ = FileManager.default.createFile(atPath: ready, contents: nil)
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [site.script]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: ready)
    try process.run()
    self.process.withLock { $0 = process }
    var said = ""
    while !said.hasSuffix("ready\n") {
      guard process.isRunning else { throw MailServerFailure(said: said) }
      try await Task.sleep(for: .milliseconds(10))
      said = (try? String(contentsOfFile: ready, encoding: .utf8)) ?? ""
    }
  }

  private func stop() {
    process.withLock { process in
      process?.terminate()
      process?.waitUntilExit()
      process = nil
    }
  }

  /// Stops the servers, and starts them again.
  func restart() async throws {
    stop()
    try await start()
  }

  /// Sends a mail as it is, from ann.
  func deliver(_ content: String, to recipient: String) async throws {
    let configuration = configuration("ann@example.org")
    let client = try await SMTPClient.open(
      MailEndpoint(.smtp, configuration.smtp), tls: MailTLS(configuration), configuration: configuration)
    try await client.send(
      OutgoingMail(
        sender: "ann@example.org", recipient: recipient, content: content, messageID: "<test@example.org>"))
    await client.quit()
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
