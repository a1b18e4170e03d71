import Datagrams

/// Which messages of a mailbox are new.
struct IMAPPosition: Hashable, Sendable {
  /// What makes message numbers of one day comparable with those of another (RFC 9051, section 2.3.1.1).
  var validity: UInt32
  /// The number of the first new message.
  var next: UInt32
}

/// What is known of a new message before it is read.
struct IMAPSummary: Hashable, Sendable {
  let uid: UInt32
  let size: Int?
  let internalDate: String?
  let header: [UInt8]
}

/// One connection to an IMAP server, without I/O: logs in, selects the inbox, tells of new messages, fetches and deletes.
///
/// Between commands it idles (RFC 2177) or polls. The driver sends what ``pollTransmit()`` gives, tells what comes in and what time it
/// is, and takes the events. What is thrown ends the connection.
struct IMAPSession {
  enum Event: Hashable {
    /// The connection is to become TLS now; then call ``startedTLS(now:)``.
    case startTLS
    /// Logged in and selected: from here on nothing is missed.
    case ready(IMAPPosition)
    case message(IMAPSummary)
    case body(uid: UInt32, IMAPFetch.Content)
    /// The message that was asked for is not there any more.
    case missing(uid: UInt32)
    /// The server would not delete a message.
    case notDeleted(String)
    /// All is done: the connection can be closed.
    case loggedOut
  }

  struct Configuration {
    var startsTLS = false
    var usesIdle = true
    var pollInterval: Duration = .seconds(5)
    /// RFC 2177 advises less than 29 minutes, because servers may end a connection that is silent for 30.
    var idleRenewal: Duration = .seconds(25 * 60)
    /// Busy servers take some seconds to log in; who needs longer is dead.
    var responseTimeout: Duration = .seconds(30)
  }

  enum Phase {
    case greeting
    case upgrading
    case command(IMAPCommand)
    /// IDLE is sent; `confirmed` once the server idles, `ending` once DONE is sent.
    case idling(confirmed: Bool, ending: Bool)
    case resting
    case ended
  }

  let server: String
  let login: MailLogin
  private var configuration: Configuration
  var known: IMAPPosition?

  var parser = IMAPResponseParser()
  var phase = Phase.greeting
  var phaseStart: Instant
  var isEncrypted: Bool
  var isAuthenticated = false
  var isSelected = false
  var capabilities: Set<String>?
  var idleRefused = false

  var output: [UInt8] = []
  var events: [Event] = []
  private var tagNumber = 0
  /// What is sent for each continuation of the command under way.
  var continuations: [[UInt8]] = []

  var selected = IMAPPosition(validity: 0, next: 0)
  var highestSeen: UInt32 = 0
  var found: [UInt32] = []
  /// Whether the message that is being fetched has come.
  var hasBody = false
  var needsCheck = false
  var wantsLogout = false
  var bodies: [UInt32] = []
  var deletions: [UInt32] = []

  /// Longer queues are a flood: what is left out is read after the next connect, or never.
  private static let queueLimit = 256

  /// - Parameters:
  ///   - server: the server in error sentences.
  ///   - known: where an earlier connection stopped reading; nil to read what comes from now on.
  init(server: String, login: MailLogin, configuration: Configuration, known: IMAPPosition?, now: Instant) {
    self.server = server
    self.login = login
    self.configuration = configuration
    self.known = known
    isEncrypted = !configuration.startsTLS
    phaseStart = now
  }

  /// Where a later connection must go on, so that no message is missed; nil before the inbox is selected.
  var position: IMAPPosition? {
    guard isSelected else { return known }
    return IMAPPosition(validity: selected.validity, next: min(selected.next, bodies.min() ?? selected.next))
  }

  /// What was to be deleted and may not be, should the connection end now.
  var unfinishedDeletions: [UInt32] {
    guard case .command(let command) = phase else { return deletions }
    switch command {
    case .store(let uids), .searchDeleted(let uids), .expunge(let uids?): return uids + deletions
    default: return deletions
    }
  }

  // MARK: What the driver asks

  mutating func pollTransmit() -> [UInt8]? {
    guard !output.isEmpty else { return nil }
    defer { output = [] }
    return output
  }

  mutating func pollEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

  var hasEvents: Bool { !events.isEmpty }

  func pollTimeout() -> Instant? {
    switch phase {
    case .greeting, .command, .idling(_, ending: true), .idling(confirmed: false, _):
      phaseStart.advanced(by: configuration.responseTimeout)
    case .idling: phaseStart.advanced(by: configuration.idleRenewal)
    case .resting: phaseStart.advanced(by: configuration.pollInterval)
    case .upgrading, .ended: nil
    }
  }

  // MARK: What the driver tells

  mutating func receive(_ bytes: some Collection<UInt8>, now: Instant) throws {
    parser.append(bytes)
    do {
      while let response = try parser.next() { try handle(response, now: now) }
    } catch let error as IMAPSyntaxError {
      throw MailError(.garbage, "\(server) does not speak IMAP (\(error)); check the host and port of --email-imaps")
    }
  }

  mutating func handleTimeout(now: Instant) throws {
    guard let deadline = pollTimeout(), deadline <= now else { return }
    switch phase {
    case .idling(confirmed: true, ending: false):
      // Asked on the way, in case the server forgot to tell.
      needsCheck = true
      endIdle(now: now)
    case .resting: send(.noop, now: now)
    default:
      let seconds = Int(configuration.responseTimeout.milliseconds / 1000)
      throw MailError(
        .silent,
        "\(server) did not answer within \(seconds) s; check the network, and the host and port of --email-imaps")
    }
  }

  /// The connection is TLS now.
  mutating func startedTLS(now: Instant) {
    guard case .upgrading = phase else { return }
    isEncrypted = true
    // What was said in the clear may have been said by anybody.
    capabilities = nil
    proceed(now: now)
  }

  /// Asks for a whole message; ``Event/body(uid:_:)`` or ``Event/missing(uid:)`` follows.
  ///
  /// - Returns: whether it is asked for; not if too many are already.
  mutating func fetch(_ uid: UInt32, now: Instant) -> Bool {
    guard bodies.count < Self.queueLimit, !bodies.contains(uid) else { return false }
    bodies.append(uid)
    work(now: now)
    return true
  }

  /// Deletes a message and expunges it, and no other.
  mutating func delete(_ uid: UInt32, now: Instant) {
    guard deletions.count < Self.queueLimit, !deletions.contains(uid) else { return }
    deletions.append(uid)
    work(now: now)
  }

  /// How often to look for mail where there is no IDLE.
  mutating func setPollInterval(_ interval: Duration) { configuration.pollInterval = interval }

  /// Says goodbye once what was to be deleted is.
  mutating func logOut(now: Instant) {
    wantsLogout = true
    work(now: now)
  }

  // MARK: Getting ready

  /// The next step before the inbox is selected.
  mutating func proceed(now: Instant) {
    guard let capabilities else { return send(.capability, now: now) }
    if !isEncrypted { return send(.startTLS, now: now) }
    if isAuthenticated { return send(.select, now: now) }
    send(authentication(capabilities), now: now)
    // Those from before the login say nothing of what is possible after it.
    self.capabilities = nil
  }

  private func authentication(_ capabilities: Set<String>) -> IMAPCommand {
    let mayLogIn = !capabilities.contains("LOGINDISABLED")
    switch login.method {
    case .plain: return .authenticate(.plain)
    case .xoauth2: return .authenticate(.xoauth2)
    case .login: return mayLogIn ? .login : .authenticate(.login)
    case .automatic:
      if capabilities.contains("AUTH=PLAIN") { return .authenticate(.plain) }
      if mayLogIn { return .login }
      if capabilities.contains("AUTH=LOGIN") { return .authenticate(.login) }
      return .authenticate(capabilities.contains("AUTH=XOAUTH2") ? .xoauth2 : .plain)
    }
  }

  mutating func didSelect(now: Instant) {
    if selected.next == 0 {
      // Servers that do not tell the next number are rare and old.
      selected.next = 1
      return send(.findLast, now: now)
    }
    becomeReady(now: now)
  }

  mutating func becomeReady(now: Instant) {
    isSelected = true
    if let known, known.validity == selected.validity, known.next < selected.next {
      selected.next = known.next
      needsCheck = true
    }
    events.append(.ready(selected))
    rest(now: now)
  }

  // MARK: Working

  var hasWork: Bool { wantsLogout || !bodies.isEmpty || needsCheck || !deletions.isEmpty }

  /// Does what is to be done, if nothing else is under way.
  mutating func work(now: Instant) {
    switch phase {
    case .resting: rest(now: now)
    case .idling(confirmed: true, ending: false): endIdle(now: now)
    case .greeting, .upgrading, .command, .idling, .ended: break
    }
  }

  mutating func endIdle(now: Instant) {
    output += Array("DONE\r\n".utf8)
    enter(.idling(confirmed: true, ending: true), now: now)
  }

  /// Sends the next command, or idles. What a peer waits for comes first.
  mutating func rest(now: Instant) {
    if let uid = bodies.first, !wantsLogout { return send(.fetch(uid), now: now) }
    if needsCheck, !wantsLogout {
      needsCheck = false
      return send(.check(from: selected.next), now: now)
    }
    if !deletions.isEmpty {
      defer { deletions = [] }
      return send(.store(deletions), now: now)
    }
    if wantsLogout {
      send(.logOut, now: now)
      // Nobody needs to wait for the answer.
      enter(.ended, now: now)
      return events.append(.loggedOut)
    }
    if configuration.usesIdle, !idleRefused, capabilities?.contains("IDLE") == true {
      tagNumber += 1
      output += Array("\(tag) IDLE\r\n".utf8)
      return enter(.idling(confirmed: false, ending: false), now: now)
    }
    enter(.resting, now: now)
  }

  func expunge(_ uids: [UInt32]) -> IMAPCommand? {
    capabilities?.contains("UIDPLUS") == true ? .expunge(uids) : .searchDeleted(uids)
  }

  // MARK: Sending

  var tag: String { "P\(tagNumber)" }

  mutating func send(_ command: IMAPCommand, now: Instant) {
    tagNumber += 1
    found = []
    hasBody = false
    let lines = command.lines(login: login, sendsInitialResponse: capabilities?.contains("SASL-IR") == true)
    output += Array("\(tag) ".utf8) + (lines.first ?? [])
    continuations = Array(lines.dropFirst())
    enter(.command(command), now: now)
  }

  mutating func enter(_ phase: Phase, now: Instant) {
    self.phase = phase
    phaseStart = now
  }
}
