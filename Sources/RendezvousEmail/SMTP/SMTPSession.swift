import Datagrams

/// One connection to an SMTP server, without I/O: logs in and sends mails, one at a time.
///
/// The driver sends what ``pollTransmit()`` gives, tells what comes in and what time it is, and takes the events. What is thrown ends
/// the connection.
struct SMTPSession {
  enum Event: Hashable {
    /// The connection is to become TLS now; then call ``startedTLS(now:)``.
    case startTLS
    /// Logged in: mails can be sent.
    case ready
    /// The server has taken the mail.
    case sent
    /// The server says goodbye because we did.
    case ended
  }

  private enum Step: Hashable {
    case greeting, hello, startTLS, upgrading
    /// AUTH, with the lines that are still to be sent.
    case authentication([String])
    case ready
    case sender, recipient, data, content
    case quit, ended
  }

  /// Servers look at names and black lists before they answer. The end of the data may take long (RFC 5321, section 4.5.3.2),
  /// but nobody waits for an invitation for ten minutes.
  static let responseTimeout = Duration.seconds(30)

  private let server: String
  private let login: MailLogin
  /// The own address as EHLO has it: `[192.0.2.1]`.
  private let hello: String

  private var parser = SMTPReplyParser()
  private var step = Step.greeting
  private var stepStart: Instant
  private var isEncrypted: Bool
  /// Upper-case words of the answer to EHLO, by the first.
  private var extensions: [String: [String]] = [:]
  private var output: [UInt8] = []
  private var events: [Event] = []
  private var mail: OutgoingMail?

  init(server: String, login: MailLogin, hello: String, startsTLS: Bool, now: Instant) {
    self.server = server
    self.login = login
    self.hello = hello
    isEncrypted = !startsTLS
    stepStart = now
  }

  // MARK: What the driver asks

  mutating func pollTransmit() -> [UInt8]? {
    guard !output.isEmpty else { return nil }
    defer { output = [] }
    return output
  }

  mutating func pollEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

  func pollTimeout() -> Instant? {
    switch step {
    case .upgrading, .ready, .ended: nil
    default: stepStart.advanced(by: Self.responseTimeout)
    }
  }

  // MARK: What the driver tells

  mutating func receive(_ bytes: some Collection<UInt8>, now: Instant) throws {
    parser.append(bytes)
    do {
      while let reply = try parser.next() { try handle(reply, now: now) }
    } catch is SMTPSyntaxError {
      throw MailError(.garbage, "\(server) does not speak SMTP; check the host and port of --email-smtps")
    }
  }

  mutating func handleTimeout(now: Instant) throws {
    guard let deadline = pollTimeout(), deadline <= now else { return }
    throw MailError(
      .silent,
      "\(server) did not answer within \(Int(Self.responseTimeout.milliseconds / 1000)) s; check the network, and the host and "
        + "port of --email-smtps")
  }

  /// The connection is TLS now.
  mutating func startedTLS(now: Instant) {
    guard step == .upgrading else { return }
    isEncrypted = true
    extensions = [:]
    send("EHLO \(hello)", .hello, now: now)
  }

  /// Sends a mail; only when ready.
  mutating func send(_ mail: OutgoingMail, now: Instant) {
    guard step == .ready else { return }
    self.mail = mail
    send("MAIL FROM:<\(mail.sender)>", .sender, now: now)
  }

  /// Says goodbye; only when ready.
  mutating func quit(now: Instant) {
    guard step == .ready else { return }
    send("QUIT", .quit, now: now)
  }

  // MARK: Replies

  private mutating func handle(_ reply: SMTPReply, now: Instant) throws {
    // 421: the server goes, whatever was asked.
    if reply.code == 421, step != .quit {
      throw MailError(
        .unreachable, "\(server) ended the connection: \(login.cleansed(reply.text)); try again in a while")
    }
    switch step {
    case .greeting:
      guard reply.code == 220 else { throw refusal("any mail from here", reply) }
      send("EHLO \(hello)", .hello, now: now)
    case .hello:
      guard reply.isPositive else { throw refusal("EHLO", reply) }
      try didHello(reply, now: now)
    case .startTLS:
      guard reply.code == 220 else { throw refusal("STARTTLS", reply) }
      // What stands behind the answer was said in the clear, so perhaps by somebody else.
      guard parser.isEmpty else {
        throw MailError(
          .untrusted,
          "\(server) says more in the clear after STARTTLS, as if somebody had put it in; use another network")
      }
      enter(.upgrading, now: now)
      events.append(.startTLS)
    case .authentication(let lines): try authenticate(lines, reply, now: now)
    case .sender:
      guard reply.isPositive, let mail else { throw refusal("mail from \(mail?.sender ?? "")", reply) }
      send("RCPT TO:<\(mail.recipient)>", .recipient, now: now)
    case .recipient:
      guard reply.isPositive else { throw refusal("mail to \(mail?.recipient ?? "")", reply) }
      send("DATA", .data, now: now)
    case .data:
      guard reply.code == 354, let mail else { throw refusal("mail to \(mail?.recipient ?? "")", reply) }
      output += Self.stuffed(mail.content)
      enter(.content, now: now)
    case .content:
      guard reply.isPositive else { throw refusal("mail to \(mail?.recipient ?? "")", reply) }
      mail = nil
      enter(.ready, now: now)
      events.append(.sent)
    case .quit:
      enter(.ended, now: now)
      events.append(.ended)
    case .upgrading, .ready, .ended:
      throw MailError(.garbage, "\(server) talks out of turn; check the host and port of --email-smtps")
    }
  }

  private mutating func didHello(_ reply: SMTPReply, now: Instant) throws {
    extensions = [:]
    for line in reply.lines.dropFirst() {
      let words = line.uppercased().split { $0 == " " || $0 == "=" }.map(String.init)
      if let name = words.first { extensions[name, default: []] += words.dropFirst() }
    }
    guard isEncrypted else { return send("STARTTLS", .startTLS, now: now) }
    let offered = extensions["AUTH"] ?? []
    switch login.method {
    case .plain: authenticatePlain(now: now)
    case .login: authenticateLogin(now: now)
    case .xoauth2: authenticateXOAUTH2(now: now)
    case .automatic:
      if offered.contains("PLAIN") {
        authenticatePlain(now: now)
      } else if offered.contains("LOGIN") {
        authenticateLogin(now: now)
      } else if offered.contains("XOAUTH2") {
        authenticateXOAUTH2(now: now)
      } else {
        throw MailError(
          .loginRefused,
          "\(server) offers neither PLAIN nor LOGIN nor XOAUTH2 to log in; check the host and port of --email-smtps")
      }
    }
  }

  // MARK: Logging in

  private mutating func authenticatePlain(now: Instant) {
    send("AUTH PLAIN \(login.plainResponse)", .authentication([]), now: now)
  }

  private mutating func authenticateLogin(now: Instant) {
    let lines = [login.name, login.password].map { Base64.encode(Array($0.utf8)) }
    send("AUTH LOGIN", .authentication(lines), now: now)
  }

  private mutating func authenticateXOAUTH2(now: Instant) {
    // RFC 4954 bounds a line, and tokens are long: many servers take them all the same, all take them on a line of their own.
    let response = login.xoauth2Response
    if response.utf8.count < 400 {
      send("AUTH XOAUTH2 \(response)", .authentication([]), now: now)
    } else {
      send("AUTH XOAUTH2", .authentication([response]), now: now)
    }
  }

  private mutating func authenticate(_ lines: [String], _ reply: SMTPReply, now: Instant) throws {
    switch reply.code {
    case 235:
      enter(.ready, now: now)
      events.append(.ready)
    case 334:
      // A challenge after the last line tells why XOAUTH2 refuses, and awaits an empty answer before the refusal.
      send(lines.first ?? "", .authentication(Array(lines.dropFirst())), now: now)
    default:
      guard !reply.isTransient else { throw refusal("the login of \(login.name) for now", reply) }
      throw MailError(
        .loginRefused,
        "\(server) refused the login of \(login.name): \(login.cleansed(reply.text)); check --email-login and the password"
      )
    }
  }

  // MARK: Sending

  private func refusal(_ what: String, _ reply: SMTPReply) -> MailError {
    MailError(
      reply.isTransient ? .refusedForNow : .rejected,
      "\(server) refuses \(what): \(login.cleansed(reply.text)); "
        + (reply.isTransient ? "try again in a while" : "ask whoever runs it"))
  }

  private mutating func send(_ line: String, _ step: Step, now: Instant) {
    output += Array("\(line)\r\n".utf8)
    enter(step, now: now)
  }

  private mutating func enter(_ step: Step, now: Instant) {
    self.step = step
    stepStart = now
  }

  /// With the dot that ends it, and dots doubled that begin a line (RFC 5321, section 4.5.2).
  private static func stuffed(_ content: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var isLineStart = true
    for byte in content.utf8 {
      if isLineStart, byte == UInt8(ascii: ".") { bytes.append(byte) }
      bytes.append(byte)
      isLineStart = byte == 0x0A
    }
    return bytes + Array((isLineStart ? ".\r\n" : "\r\n.\r\n").utf8)
  }
}
