import Rendezvous

/// Tries out the mail servers of a configuration, up to the login and the inbox; no mail is sent, and none is read.
public struct EmailProbe: Sendable {
  /// Which of the two servers.
  public enum Server: String, Hashable, Sendable, Codable, CaseIterable {
    /// Where mail is sent.
    case smtp
    /// Where mail is read.
    case imap
  }

  /// Which servers, and as whom to log in.
  public var configuration: EmailConfiguration

  /// A probe of the servers of a configuration.
  public init(_ configuration: EmailConfiguration) { self.configuration = configuration }

  /// How sentences name a server: `the IMAP server mail.example.org:993`.
  public func name(of server: Server) -> String { endpoint(of: server).name }

  /// Connects by TLS, logs in, opens the inbox (of the IMAP server) and leaves.
  ///
  /// - Returns: how long that took.
  /// - Throws: ``RendezvousError`` with code `notJoined` or `notAdmitted`, in one sentence; `CancellationError`.
  public func check(_ server: Server, timeout: Duration = .seconds(8)) async throws -> Duration {
    let start = ContinuousClock.now
    do {
      try await withThrowingTaskGroup { group in
        group.addTask {
          switch server {
          case .smtp: try await checkSMTP()
          case .imap: try await checkIMAP()
          }
        }
        group.addTask {
          try await Task.sleep(for: timeout)
          throw RendezvousError(
            .notJoined,
            "\(name(of: server)) did not let us in within \(timeout.components.seconds) s; check the network, and that no firewall drops its port"
          )
        }
        defer { group.cancelAll() }
        try await group.next()
      }
      return start.duration(to: .now)
    } catch let error as MailError {
      throw RendezvousError(error)
    }
  }

  private func endpoint(of server: Server) -> MailEndpoint {
    switch server {
    case .smtp: MailEndpoint(.smtp, configuration.smtp)
    case .imap: MailEndpoint(.imap, configuration.imap)
    }
  }

  private func checkSMTP() async throws {
    let client = try await SMTPClient.open(
      endpoint(of: .smtp), tls: MailTLS(configuration), configuration: configuration)
    await client.quit()
  }

  private func checkIMAP() async throws {
    let (changes, feed) = AsyncStream.makeStream(of: MailboxWatcher.Change.self, bufferingPolicy: .bufferingOldest(1))
    let watcher = MailboxWatcher(
      endpoint: endpoint(of: .imap), tls: try MailTLS(configuration), configuration: configuration,
      callbacks: MailboxWatcher.Callbacks(
        wants: { _ in false }, take: { _, _ in false }, onChange: { feed.yield($0) }))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await watcher.run() }
      group.addTask {
        for await change in changes {
          if case .failed(let error, _) = change { throw error }
          return
        }
        try Task.checkCancellation()
      }
      defer { group.cancelAll() }
      // The watcher goes on once the inbox is open; then it is to leave in order.
      try await group.next()
      if watcher.stop() { try await group.next() }
    }
  }
}
