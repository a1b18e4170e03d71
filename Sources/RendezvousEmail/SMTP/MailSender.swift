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
  private var waiters: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
  private var nextWaiter = 0
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
    while true {
      startWarming()
      guard let connecting = spare else { return }
      let number = spareNumber
      do {
        _ = try await Self.client(of: connecting)
        return
      } catch {
        // Nobody shall be told of this failure again.
        if number == spareNumber { spare = nil }
        // Else a mail had taken the connection, and was cancelled.
        guard error is CancellationError, !Task.isCancelled, !isClosed else { throw error }
      }
    }
  }

  /// Sends a mail; returns once the server has taken it.
  ///
  /// - Throws: ``MailError``, or `CancellationError` as soon as the task is cancelled; the mail's connection is closed then.
  func send(_ mail: OutgoingMail) async throws {
    try await enter()
    defer { leave() }
    // The turn may have come in the moment of the cancellation, and then the spare connection is not to be ended.
    try Task.checkCancellation()
    if let client = try await takeClient() {
      do {
        return try await send(mail, over: client)
      } catch let error as MailError where error.code == .unreachable {
        // It had ended while it was kept.
      }
    }
    try Task.checkCancellation()
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
    await keepOrQuit(client)
  }

  private func makeConnecting() -> Task<SMTPClient, any Error> {
    Task { [endpoint, tls, configuration] in
      try await SMTPClient.open(endpoint, tls: tls, configuration: configuration)
    }
  }

  /// Waits for a connection, and ends it when the own task is cancelled first.
  private static func client(of connecting: Task<SMTPClient, any Error>) async throws -> SMTPClient {
    try await withTaskCancellationHandler {
      try await connecting.value
    } onCancel: {
      connecting.cancel()
    }
  }

  // MARK: The connection that is kept

  private func keepOrQuit(_ client: SMTPClient) async {
    if isClosed || spare != nil { return await client.quit() }
    keep(Task { client })
  }

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

  /// The connection that is kept, once it is logged in; nil where there is none, or it failed.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  private func takeClient() async throws -> SMTPClient? {
    guard let connecting = takeSpare() else { return nil }
    let client = try? await Self.client(of: connecting)
    if Task.isCancelled {
      // It was there in the same moment, and is as good as new.
      if let client { await keepOrQuit(client) }
      throw CancellationError()
    }
    return client
  }

  private func expire(_ number: Int) async {
    guard number == spareNumber, let connecting = spare else { return }
    spare = nil
    connecting.cancel()
    await (try? connecting.value)?.quit()
  }

  // MARK: Taking turns

  /// Waits for a turn, which ``leave()`` gives back.
  ///
  /// - Throws: `CancellationError` when the task is cancelled before there is one.
  private func enter() async throws {
    try Task.checkCancellation()
    if free > 0 {
      free -= 1
      return
    }
    nextWaiter += 1
    let id = nextWaiter
    let isOurs = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
        // A cancellation after this finds the waiter: it has to wait for the actor.
        if Task.isCancelled {
          continuation.resume(returning: false)
        } else {
          waiters.append((id, continuation))
        }
      }
    } onCancel: {
      Task { await self.giveUp(id) }
    }
    guard isOurs else { throw CancellationError() }
  }

  private func leave() {
    if waiters.isEmpty { free += 1 } else { waiters.removeFirst().continuation.resume(returning: true) }
  }

  private func giveUp(_ id: Int) {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
    waiters.remove(at: index).continuation.resume(returning: false)
  }
}
