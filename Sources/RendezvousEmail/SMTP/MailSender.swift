/// Sends mails over a few connections, and keeps one for the next mail for a while, because logging in takes longer than sending.
actor MailSender {
  /// Servers allow some ten at once from one account.
  private static let connectionsAtMost = 4
  /// Longer than an inviter needs to learn its address, shorter than servers wait.
  private static let spareFor = Duration.seconds(30)

  private let endpoint: MailEndpoint
  private let tls: MailTLS
  private let configuration: EmailConfiguration

  private var spare: Task<SMTPClient, any Error>?
  private var spareNumber = 0
  private var expiry: Task<Void, Never>?
  private var free = connectionsAtMost
  private var waiters: [CheckedContinuation<Void, Never>] = []
  private var isClosed = false

  init(endpoint: MailEndpoint, tls: MailTLS, configuration: EmailConfiguration) {
    (self.endpoint, self.tls, self.configuration) = (endpoint, tls, configuration)
  }

  /// Begins to connect ahead of a mail. What fails is told when the mail is sent.
  func startWarming() {
    if spare == nil, !isClosed { keep(makeConnecting()) }
  }

  /// Connects ahead of the first mail, and returns when logged in.
  ///
  /// - Throws: ``MailError`` that says why no mail can be sent.
  func warm() async throws {
    startWarming()
    guard let connecting = spare else { return }
    let number = spareNumber
    do {
      _ = try await withTaskCancellationHandler {
        try await connecting.value
      } onCancel: {
        connecting.cancel()
      }
    } catch {
      // Nobody shall be told of this failure again.
      if number == spareNumber { spare = nil }
      throw error
    }
  }

  /// Sends a mail; returns once the server has taken it.
  ///
  /// - Throws: ``MailError``, or `CancellationError`.
  func send(_ mail: OutgoingMail) async throws {
    await enter()
    defer { leave() }
    try Task.checkCancellation()
    if let connecting = takeSpare(), let client = try? await connecting.value {
      do {
        return try await send(mail, over: client)
      } catch let error as MailError where error.code == .unreachable {
        // It had ended while it was kept.
      }
    }
    try await send(mail, over: SMTPClient.open(endpoint, tls: tls, configuration: configuration))
  }

  /// Ends all: what is kept is closed, and nothing is kept any more.
  func close() async {
    isClosed = true
    guard let connecting = takeSpare() else { return }
    connecting.cancel()
    await (try? connecting.value)?.quit()
  }

  private func send(_ mail: OutgoingMail, over client: SMTPClient) async throws {
    do {
      try await client.send(mail)
    } catch {
      await client.close()
      throw error
    }
    if isClosed || spare != nil { return await client.quit() }
    keep(Task { client })
  }

  private func makeConnecting() -> Task<SMTPClient, any Error> {
    Task { [endpoint, tls, configuration] in
      try await SMTPClient.open(endpoint, tls: tls, configuration: configuration)
    }
  }

  // MARK: The connection that is kept

  private func keep(_ connecting: Task<SMTPClient, any Error>) {
    spare = connecting
    spareNumber += 1
    expiry?.cancel()
    expiry = Task { [spareNumber] in
      guard (try? await Task.sleep(for: Self.spareFor)) != nil else { return }
      await self.expire(spareNumber)
    }
  }

  private func takeSpare() -> Task<SMTPClient, any Error>? {
    defer { spare = nil }
    expiry?.cancel()
    expiry = nil
    return spare
  }

  private func expire(_ number: Int) async {
    guard number == spareNumber, let connecting = spare else { return }
    spare = nil
    connecting.cancel()
    await (try? connecting.value)?.quit()
  }

  // MARK: Taking turns

  private func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiters.append($0) }
    }
  }

  private func leave() {
    if waiters.isEmpty { free += 1 } else { waiters.removeFirst().resume() }
  }
}
