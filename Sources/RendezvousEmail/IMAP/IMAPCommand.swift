/// The commands that are used here.
enum IMAPCommand: Hashable {
  enum Mechanism: String, Hashable {
    case plain = "PLAIN"
    case login = "LOGIN"
    case xoauth2 = "XOAUTH2"
  }

  case capability
  case startTLS
  case authenticate(Mechanism)
  case login
  case select
  /// The number of the last message, where the server did not tell the next.
  case findLast
  /// The headers of all messages from a number on.
  case check(from: UInt32)
  /// A whole message.
  case fetch(UInt32)
  case store([UInt32])
  case searchDeleted([UInt32])
  /// Only these, or all that are marked where the server knows no better.
  case expunge([UInt32]?)
  case noop
  case logOut

  /// What our own longest message may have, and a little more, so that a larger one is known by its length.
  static let bodyLimit = IMAPResponseParser.literalLimit

  /// What is sent: the command without its tag, and what follows each time the server asks to go on.
  func lines(login: MailLogin, sendsInitialResponse: Bool) -> [[UInt8]] {
    switch self {
    case .capability: Self.line("CAPABILITY")
    case .startTLS: Self.line("STARTTLS")
    case .authenticate(.plain): Self.authentication("PLAIN", login.plainResponse, sendsInitialResponse)
    case .authenticate(.xoauth2): Self.authentication("XOAUTH2", login.xoauth2Response, sendsInitialResponse)
    case .authenticate(.login):
      Self.line("AUTHENTICATE LOGIN") + Self.line(Base64.encode(Array(login.name.utf8)))
        + Self.line(Base64.encode(Array(login.password.utf8)))
    case .login: Self.login(login)
    case .select: Self.line("SELECT INBOX")
    case .findLast: Self.line("UID FETCH * (UID)")
    case .check(let first):
      Self.line(
        "UID FETCH \(first):* (UID RFC822.SIZE INTERNALDATE "
          + "BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT IN-REPLY-TO MESSAGE-ID X-PLEXUS-SUBJECTS)])")
    case .fetch(let uid): Self.line("UID FETCH \(uid) (UID BODY.PEEK[]<0.\(Self.bodyLimit)>)")
    case .store(let uids): Self.line("UID STORE \(Self.set(uids)) +FLAGS.SILENT (\\Deleted)")
    case .searchDeleted: Self.line("UID SEARCH DELETED")
    case .expunge(let uids?): Self.line("UID EXPUNGE \(Self.set(uids))")
    case .expunge(nil): Self.line("EXPUNGE")
    case .noop: Self.line("NOOP")
    case .logOut: Self.line("LOGOUT")
    }
  }

  private static func line(_ text: String) -> [[UInt8]] { [Array("\(text)\r\n".utf8)] }

  private static func set(_ uids: [UInt32]) -> String { uids.map(String.init).joined(separator: ",") }

  private static func authentication(_ name: String, _ response: String, _ isInitial: Bool) -> [[UInt8]] {
    isInitial ? line("AUTHENTICATE \(name) \(response)") : line("AUTHENTICATE \(name)") + line(response)
  }

  /// Strings that cannot be quoted are sent as literals, which the server asks for one by one.
  private static func login(_ login: MailLogin) -> [[UInt8]] {
    var lines: [[UInt8]] = [Array("LOGIN".utf8)]
    for text in [login.name, login.password] {
      lines[lines.count - 1].append(0x20)
      if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) {
        let quoted = text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
        lines[lines.count - 1] += Array("\"\(quoted)\"".utf8)
      } else {
        lines[lines.count - 1] += Array("{\(text.utf8.count)}\r\n".utf8)
        lines.append(Array(text.utf8))
      }
    }
    lines[lines.count - 1] += [0x0D, 0x0A]
    return lines
  }
}
