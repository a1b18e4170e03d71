import DatagramSockets
import Datagrams
import FoundationEssentials
import Identity
import Logging
import Rendezvous
import Synchronization

/// What happens to the connections with the mail servers, for people and logs.
public enum EmailEvent: Hashable, Sendable {
  /// The IMAP server is connected again.
  case connected
  /// The connection to the IMAP server failed, for this reason; the next is tried after the pause.
  case disconnected(reason: String, pause: Duration)
  /// A mail that was used could not be deleted.
  case notDeleted(reason: String)
  /// An answer was not taken by the SMTP server, for this reason; it is sent again after the pause.
  case notSent(reason: String, pause: Duration)
}

/// Meets peers by signed and encrypted mail.
///
/// Each message is one mail. One connection watches the inbox from ``join(timeout:)`` to ``leave()``, through restarts of the server;
/// mails from before are ignored, those that are used are deleted.
public actor EmailRendezvous: Rendezvous {
  private enum Phase {
    case idle
    case running(MailboxWatcher, MailSender, watching: Task<Void, Never>)
    case left
  }

  private let own: PeerIdentity
  private let configuration: EmailConfiguration
  private let subjects: MessageSubjects
  private let sealer: SMIMESealer
  private let desk: MailDesk
  private let tls: MailTLS
  private let imap: MailEndpoint
  private let smtp: MailEndpoint
  private let onEvent: @Sendable (EmailEvent) -> Void

  private var phase = Phase.idle
  private var waitingInvites = 0
  private var ends: [Int: @Sendable () -> Void] = [:]

  /// Prepares to meet the peers of `repository` as `own`; nothing is sent before ``join(timeout:)``.
  ///
  /// - Parameter onEvent: called from any thread with what happens to the connections.
  /// - Throws: ``RendezvousError`` with code `unusableKey`, `cannotStart` when a file of the configuration cannot be used, or
  ///   `unusableAddress` when mail cannot be sent as `own`.
  public init(
    own: OwnIdentity, repository: ApplicationRepository, configuration: EmailConfiguration,
    subjects: MessageSubjects = MessageSubjects(), memory: ReplayMemory,
    onEvent: @escaping @Sendable (EmailEvent) -> Void = { _ in }, logger: Logger
  ) throws {
    try Self.checkAddress(own.identity.name)
    self.own = own.identity
    self.configuration = configuration
    self.subjects = subjects
    self.onEvent = onEvent
    sealer = try SMIMESealer(own: own)
    desk = MailDesk(
      own: own.identity, repository: repository, subjects: subjects, sealer: sealer, memory: memory, logger: logger
    )
    imap = MailEndpoint(.imap, configuration.imap)
    smtp = MailEndpoint(.smtp, configuration.smtp)
    do { tls = try MailTLS(configuration) } catch { throw RendezvousError(.cannotStart, "\(error)") }
  }

  private static func checkAddress(_ name: IdentityName) throws {
    guard Mailbox.isAddress(name.owner) else {
      throw RendezvousError(
        .unusableAddress, "\(name) is not named by an email address, so it cannot be met by email; use another identity"
      )
    }
  }

  // MARK: Joining and leaving

  /// Connects to both servers and returns when mail can be read and sent.
  ///
  /// - Throws: ``RendezvousError`` with code `notJoined` or `notAdmitted`; joining can be tried again then.
  public func join(timeout: Duration) async throws {
    guard case .idle = phase else { throw RendezvousError(.notRunning, "the mail servers were joined before") }
    let (changes, feed) = AsyncStream.makeStream(of: MailboxWatcher.Change.self, bufferingPolicy: .bufferingOldest(8))
    let (desk, onEvent, joining) = (desk, onEvent, Once())
    let watcher = MailboxWatcher(
      endpoint: imap, tls: tls, configuration: configuration,
      callbacks: MailboxWatcher.Callbacks(
        wants: { desk.wants($0) }, take: { desk.take($0, $1) },
        onChange: { change in
          // The first change decides about the join; later ones are told as events.
          if joining.isFirst { feed.yield(change) } else { Self.tell(change, onEvent) }
        }))
    let sender = MailSender(endpoint: smtp, tls: tls, configuration: configuration)
    let watching = Task {
      await watcher.run()
      feed.finish()
    }
    phase = .running(watcher, sender, watching: watching)
    do {
      try await withThrowingTaskGroup { group in
        group.addTask { try await sender.warm() }
        group.addTask {
          for await change in changes {
            if case .failed(let error, _) = change { throw error }
            return
          }
          try Task.checkCancellation()
        }
        group.addTask {
          try await Task.sleep(for: timeout)
          throw self.silent(timeout)
        }
        defer { group.cancelAll() }
        for _ in 0..<2 { try await group.next() }
      }
      guard case .running = phase else { throw Self.notRunning }
    } catch {
      if case .running = phase { phase = .idle }
      watching.cancel()
      await watching.value
      await sender.close()
      try Task.checkCancellation()
      throw (error as? MailError).map(RendezvousError.init) ?? error
    }
  }

  private static func tell(_ change: MailboxWatcher.Change, _ onEvent: (EmailEvent) -> Void) {
    switch change {
    case .ready: onEvent(.connected)
    case .failed(let error, let pause): onEvent(.disconnected(reason: "\(error)", pause: pause))
    case .note(let reason): onEvent(.notDeleted(reason: reason))
    }
  }

  private nonisolated func silent(_ timeout: Duration) -> RendezvousError {
    RendezvousError(
      .notJoined,
      "\(imap.name) and \(smtp.name) did not both answer within \(Int(timeout.milliseconds / 1000)) s; check the network, "
        + "\(imap.option) and \(smtp.option)")
  }

  /// Long enough to delete what was used, even at a distant server.
  private static let leaveTimeout = Duration.seconds(2)

  /// Deletes what was used, ends the connections, and returns when nothing runs any more.
  public func leave() async {
    guard case .running(let watcher, let sender, let watching) = phase else {
      phase = .left
      return
    }
    phase = .left
    for end in ends.values { end() }
    ends = [:]
    if watcher.stop() {
      await withTaskGroup { group in
        group.addTask { await watching.value }
        group.addTask { try? await Task.sleep(for: Self.leaveTimeout) }
        await group.next()
        watching.cancel()
        group.cancelAll()
      }
    }
    watching.cancel()
    await watching.value
    await sender.close()
  }

  // MARK: Inviting

  /// Connects to the SMTP server, if that connection is not there any more.
  public func prepare(toInvite peer: PeerIdentity, application: String) async {
    await warm()
  }

  /// Sends the invite and waits for what the peer says.
  public func invite(
    _ peer: PeerIdentity, application: String, reference: Reference, timeout: Duration
  ) async throws -> Answer {
    let (watcher, sender) = try running()
    try Self.checkAddress(peer.name)
    let mail = OutgoingMail(
      from: own.name, to: peer.name, subject: "\(application) \(subjects.invite)", understood: [subjects.decline],
      parts: try parts(of: reference, .invite, to: peer, application))
    let (answers, feed) = AsyncStream.makeStream(of: Answer.self, bufferingPolicy: .bufferingOldest(1))
    // Before it is sent: the answer may be quick.
    let number = desk.add(
      MailDesk.Pending(
        peer: peer, application: application, puzzle: reference.puzzle, messageID: mail.messageID,
        deliver: { feed.yield($0) }))
    ends[number] = { feed.finish() }
    waitingInvites += 1
    watcher.setPollInterval(configuration.eagerPollInterval)
    defer {
      desk.remove(number)
      ends[number] = nil
      waitingInvites -= 1
      if waitingInvites == 0 { watcher.setPollInterval(configuration.pollInterval) }
    }
    let answer = try await withThrowingTaskGroup(of: Answer?.self) { group in
      group.addTask {
        do { try await sender.send(mail) } catch let error as MailError {
          throw RendezvousError(error)
        }
        return await answers.first { _ in true }
      }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw self.unanswered(peer, timeout)
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    try Task.checkCancellation()
    guard let answer else { throw Self.notRunning }
    return answer
  }

  private nonisolated func unanswered(_ peer: PeerIdentity, _ timeout: Duration) -> RendezvousError {
    RendezvousError(
      .unanswered,
      "\(peer.name) did not answer within \(Int(timeout.milliseconds / 1000)) s; check that it accepts by email with the same "
        + "application id, that its inbox gets the mail to \(peer.name.owner), and that its repository holds the certificate of "
        + "\(own.name)")
  }

  // MARK: Accepting

  /// Invites that are verified, decrypted and new. A stream that is not read keeps the 64 oldest.
  public nonisolated func invitations(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Invitation, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Invitation.self, bufferingPolicy: .bufferingOldest(64))
    listen(
      MailDesk.Listener(
        application: application, peers: peers,
        purpose: .invites { invitation in
          feed.yield(invitation)
          // The answer follows soon.
          Task { await self.warm() }
        }), for: feed)
    return stream
  }

  /// Notices that are verified, decrypted and new. A stream that is not read keeps the 64 oldest.
  public nonisolated func advents(
    application: String, from peers: IdentityPattern
  ) -> AsyncThrowingStream<Advent, any Error> {
    let (stream, feed) = AsyncThrowingStream.makeStream(of: Advent.self, bufferingPolicy: .bufferingOldest(64))
    listen(
      MailDesk.Listener(application: application, peers: peers, purpose: .advents { feed.yield($0) }), for: feed)
    return stream
  }

  /// Listens for as long as the stream is read.
  private nonisolated func listen<Message>(
    _ listener: MailDesk.Listener, for feed: AsyncThrowingStream<Message, any Error>.Continuation
  ) {
    let number = desk.add(listener)
    feed.onTermination = { [desk] _ in
      desk.remove(number)
      Task { await self.forget(number) }
    }
    Task { await self.register(number) { feed.finish() } }
  }

  private func register(_ number: Int, end: @escaping @Sendable () -> Void) {
    if case .left = phase { end() } else { ends[number] = end }
  }

  private func forget(_ number: Int) { ends[number] = nil }

  private func warm() async {
    guard case .running(_, let sender, _) = phase else { return }
    await sender.startWarming()
  }

  /// Pauses between tries to send an answer: the inviter waits for a minute.
  private static let pauses: [Duration] = [.seconds(1), .seconds(3), .seconds(9), .seconds(20)]

  /// Sends the answer, again and again for half a minute if the server does not take it; returns when it has.
  ///
  /// A refusal goes to those only who look for it: in another's inbox it would lie for ever.
  public func answer(_ invitation: Invitation, with answer: Answer) async throws {
    let (_, sender) = try running()
    let origin = desk.origin(of: invitation.id)
    try Self.checkAddress(invitation.peer.name)
    let parts: [String]
    let subject: String
    switch answer {
    case .accept(let reference):
      // The reference never gets a second part in an answer.
      let isAsked = invitation.reference.supplement.text != nil || !reference.supplement.isSupported
      parts = try self.parts(
        of: isAsked ? reference : reference.with(.missing), .accept(question: invitation.reference.puzzle),
        to: invitation.peer, invitation.application)
      subject = subjects.accept
    case .decline(let reason):
      guard origin?.understood.contains(subjects.decline) == true else { return }
      let notice = DeclineNotice(reason: reason, puzzle: invitation.reference.puzzle)
      parts = [try sealer.seal(notice.line, to: invitation.peer)]
      subject = subjects.decline
    }
    let mail = OutgoingMail(
      from: own.name, to: invitation.peer.name, subject: "\(invitation.application) \(subject)",
      parts: parts, answering: origin?.messageID)
    for pause in Self.pauses {
      do {
        return try await sender.send(mail)
      } catch let error as MailError where error.code != .rejected {
        onEvent(.notSent(reason: "\(error)", pause: pause))
      } catch let error as MailError {
        throw RendezvousError(.rejected, "\(error)")
      }
      try await Task.sleep(for: pause)
    }
    do { try await sender.send(mail) } catch let error as MailError { throw RendezvousError(.rejected, "\(error)") }
  }

  /// The line, and the companion if there is a supplement.
  private func parts(
    of reference: Reference, _ kind: CompanionMessage.Kind, to peer: PeerIdentity, _ application: String
  ) throws -> [String] {
    let companion = CompanionMessage(
      kind,
      binding: CompanionMessage.Binding(
        sender: own.certificateID, recipient: peer.certificateID, application: application, invite: nil),
      time: UInt64(clamping: Int64(Date().timeIntervalSince1970)), reference: reference)
    return try [reference.line, companion.text].compactMap(\.self).map { try sealer.seal($0, to: peer) }
  }

  /// Sends the notice; returns when the server has taken it.
  public func announce(to peer: PeerIdentity, application: String) async throws {
    let (_, sender) = try running()
    try Self.checkAddress(peer.name)
    let mail = OutgoingMail(
      from: own.name, to: peer.name, subject: "\(application) \(subjects.advent)",
      parts: [try sealer.seal(AdventNotice.line, to: peer)])
    do { try await sender.send(mail) } catch let error as MailError {
      throw RendezvousError(error)
    }
  }

  // MARK: Shared

  private static let notRunning = RendezvousError(
    .notRunning, "the mail servers are not connected; join them first")

  private func running() throws -> (MailboxWatcher, MailSender) {
    guard case .running(let watcher, let sender, _) = phase else { throw Self.notRunning }
    return (watcher, sender)
  }
}

/// Tells the first of several askers from the others.
private final class Once: Sendable {
  private let asked = Mutex(false)

  var isFirst: Bool {
    asked.withLock { asked in
      defer { asked = true }
      return !asked
    }
  }
}
