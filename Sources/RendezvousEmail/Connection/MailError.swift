import Rendezvous

/// Why a mail server could not be used: one sentence that names it and says what to do. Holds no secret.
struct MailError: Error, Hashable, Sendable, CustomStringConvertible {
  enum Code: Hashable, Sendable {
    /// No connection, or it broke.
    case unreachable
    /// The certificate, or no TLS at all.
    case untrusted
    /// The login was refused.
    case loginRefused
    /// The server refused a mail and always will.
    case rejected
    /// The server refused a mail, or anything else, for now.
    case refusedForNow
    /// The server did not answer in time.
    case silent
    /// What it says is not the protocol.
    case garbage
    /// A file or an option cannot be used.
    case unusableFile
  }

  let code: Code
  let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}

extension MailError.Code {
  /// Whether whoever gave the options has to do something, so that trying again soon does not help.
  var isRefusal: Bool { self == .loginRefused || self == .untrusted || self == .unusableFile }
}

extension RendezvousError {
  /// The same for those who know nothing of mail.
  init(_ error: MailError) {
    self.init(error.code == .rejected ? .rejected : error.code.isRefusal ? .notAdmitted : .notJoined, error.description)
  }
}
