/// What an IMAP server says (RFC 9051, section 7; RFC 3501 says the same of what is used here).
enum IMAPResponse: Hashable {
  /// `+ text`: the server waits for the rest of a command.
  case continuation(String)
  /// The end of a command.
  case tagged(tag: String, IMAPStatus)
  /// `* OK`, `* PREAUTH`, `* BYE` and the like.
  case status(IMAPStatus)
  case capability([String])
  /// How many messages the mailbox has.
  case exists(UInt32)
  case fetch(IMAPFetch)
  case search([UInt32])
  /// Anything that is of no matter here.
  case other
}

/// How a command ended, or what the server says of itself.
struct IMAPStatus: Hashable {
  enum Kind: String, Hashable {
    case ok = "OK"
    case no = "NO"
    case bad = "BAD"
    case bye = "BYE"
    case preauth = "PREAUTH"
  }

  /// What stands in brackets.
  enum Code: Hashable {
    case capability([String])
    case uidValidity(UInt32)
    case uidNext(UInt32)
    /// Any other: its name in upper case.
    case other(String)
  }

  let kind: Kind
  let code: Code?
  /// For people.
  let text: String
}

/// The parts of a FETCH response that are used here.
struct IMAPFetch: Hashable {
  /// The content of a part of a message.
  enum Content: Hashable {
    case bytes([UInt8])
    /// The server sent more than is taken: the rest was thrown away.
    case oversized(Int)
  }

  var uid: UInt32?
  var size: Int?
  var internalDate: String?
  /// `BODY[HEADER.FIELDS (…)]`.
  var header: Content?
  /// `BODY[]`, the whole or its beginning.
  var body: Content?
}

/// What the server said cannot be a response; the connection is of no use any more.
struct IMAPSyntaxError: Error, Hashable, CustomStringConvertible {
  let description: String
}
