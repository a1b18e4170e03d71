import DatagramSockets
import Datagrams
import Synchronization

/// A connection to the SMTP server that is logged in. It has one owner at a time, who closes it.
actor SMTPClient {
  private let connection: MailConnection
  private var session: SMTPSession

  /// Connects and logs in.
  ///
  /// - Throws: ``MailError``, or `CancellationError`.
  static func open(_ endpoint: MailEndpoint, tls: MailTLS, configuration: EmailConfiguration) async throws -> SMTPClient
  {
    let login = try MailLogin(configuration)
    let connection = try await MailConnection.open(endpoint, tls: tls)
    let client = SMTPClient(connection, endpoint: endpoint, login: login)
    do {
      try await client.run(until: .ready)
      return client
    } catch {
      await client.close()
      throw error
    }
  }

  private init(_ connection: MailConnection, endpoint: MailEndpoint, login: MailLogin) {
    self.connection = connection
    // An address literal, because few clients have a name that anybody knows (RFC 5321, section 4.1.3).
    let hello =
      connection.localAddress.map { $0.contains(":") ? "[IPv6:\($0.prefix { $0 != "%" })]" : "[\($0)]" }
      ?? "[127.0.0.1]"
    session = SMTPSession(
      server: endpoint.name, login: login, hello: hello, startsTLS: endpoint.security == .startTLS,
      now: MonotonicClock.now)
  }

  /// Sends a mail; returns once the server has taken it. What is thrown leaves nothing to do but to close.
  func send(_ mail: OutgoingMail) async throws {
    session.send(mail, now: MonotonicClock.now)
    try await run(until: .sent)
  }

  /// Says goodbye, if the server listens, and closes.
  func quit() async {
    session.quit(now: MonotonicClock.now)
    if let bytes = session.pollTransmit() { connection.send(bytes) }
    await connection.close()
  }

  /// Closes at once.
  func close() async { await connection.close() }

  private func run(until wanted: SMTPSession.Event) async throws {
    while true {
      while let event = session.pollEvent() {
        if event == .startTLS {
          try await connection.startTLS()
          session.startedTLS(now: MonotonicClock.now)
        }
        if event == wanted { return }
      }
      if let bytes = session.pollTransmit() { connection.send(bytes) }
      let bytes = try await connection.receive(until: session.pollTimeout() ?? .distantFuture)
      let now = MonotonicClock.now
      if let bytes { try session.receive(bytes, now: now) }
      try session.handleTimeout(now: now)
    }
  }
}
