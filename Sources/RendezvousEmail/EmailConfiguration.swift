import Datagrams

/// How to log in at the mail servers.
public enum EmailAuthentication: String, Hashable, Sendable, CaseIterable {
  /// PLAIN or LOGIN, whichever the server offers.
  case automatic = "auto"
  /// SASL PLAIN (RFC 4616).
  case plain
  /// LOGIN.
  case login
  /// XOAUTH2, with an access token in the place of the password.
  case xoauth2
}

/// A mail server as a user writes it.
public struct MailServer: Hashable, Sendable {
  /// When the connection becomes TLS; it always does.
  public enum Security: Hashable, Sendable {
    /// From the first byte on.
    case implicit
    /// After a few words in the clear, by the command STARTTLS.
    case startTLS
  }

  /// The host name or address; the server's certificate must be for it.
  public var host: String
  /// The port; nil for the usual one.
  public var port: UInt16?
  /// When the connection becomes TLS.
  public var security: Security

  /// Joins the parts.
  public init(host: String, port: UInt16? = nil, security: Security = .implicit) {
    self.host = host
    self.port = port
    self.security = security
  }

  /// Reads `host[:port]`, or `starttls://host[:port]`; nil for anything else.
  public init?(_ text: String) {
    let prefix = "starttls://"
    let isUpgraded = text.lowercased().hasPrefix(prefix)
    guard let parsed = HostAndPort(isUpgraded ? String(text.dropFirst(prefix.count)) : text),
      parsed.port != 0, !parsed.host.contains("/")
    else { return nil }
    self.init(host: parsed.host, port: parsed.port, security: isUpgraded ? .startTLS : .implicit)
  }
}

/// By which mail servers to meet, and as whom.
public struct EmailConfiguration: Sendable {
  /// Where the password comes from. It is asked for at each login, so that a file may change.
  public enum Password: Sendable, CustomStringConvertible, CustomReflectable {
    /// The password itself.
    case text(String)
    /// The first line of a file.
    case file(String)

    /// Never the password.
    public var description: String {
      switch self {
      case .text: "(password)"
      case .file(let path): "the password in \(path)"
      }
    }
    /// Never the password.
    public var customMirror: Mirror { Mirror(self, children: ["source": description]) }
  }

  /// Where mail is sent: port 465, or 587 with STARTTLS, unless another is given.
  public var smtp: MailServer
  /// Where mail is read: port 993, or 143 with STARTTLS, unless another is given.
  public var imap: MailServer
  /// The name of the account.
  public var login: String
  /// Its password.
  public var password: Password
  /// How to log in.
  public var authentication = EmailAuthentication.automatic
  /// A file with the CA certificates to trust for the servers, PEM; nil for the system's.
  public var authorityFile: String?
  /// A file with a TLS client certificate and its chain, PEM.
  public var certificateFile: String?
  /// The file with the client certificate's private key, PEM.
  public var keyFile: String?
  /// How often an acceptor looks for mail where the server cannot tell by itself (IDLE).
  public var pollInterval: Duration = .seconds(5)
  /// How often an inviter does, who waits for an answer: a minute at most, so it may be eager.
  public var eagerPollInterval: Duration = .seconds(1)
  /// Whether IDLE is used where the server offers it.
  public var usesIdle = true

  /// Everything else at its default.
  public init(smtp: MailServer, imap: MailServer, login: String, password: Password) {
    self.smtp = smtp
    self.imap = imap
    self.login = login
    self.password = password
  }
}
