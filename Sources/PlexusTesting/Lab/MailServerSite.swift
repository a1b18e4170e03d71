import FoundationEssentials
import LibC

/// A real mail server, dovecot and postfix, as plain processes out of a folder of its own: for tests, as root.
///
/// Both run on any address and port. Mail to any address of the domain is delivered; the accounts are those given.
public struct MailServerSite: Sendable {
  /// Ports of the server: 0 where there is none.
  public struct Ports: Hashable, Sendable {
    /// Implicit TLS.
    public var smtps: UInt16
    /// Implicit TLS.
    public var imaps: UInt16
    /// In the clear, with STARTTLS.
    public var submission: UInt16
    /// In the clear, with STARTTLS.
    public var imap: UInt16

    /// The usual ones.
    public static let usual = Ports(smtps: 465, imaps: 993, submission: 587, imap: 143)

    /// Four ports in a row.
    public init(from first: UInt16) {
      self.init(smtps: first, imaps: first + 1, submission: first + 2, imap: first + 3)
    }

    init(smtps: UInt16, imaps: UInt16, submission: UInt16, imap: UInt16) {
      (self.smtps, self.imaps, self.submission, self.imap) = (smtps, imaps, submission, imap)
    }
  }

  /// The folder with everything.
  public let folder: String
  /// What it listens on.
  public let address: String
  /// Its ports.
  public let ports: Ports
  /// The CA that its certificate comes from, PEM.
  public var authorityFile: String { "\(folder)/tls/ca.pem" }
  /// Another CA that it does not come from, PEM.
  public var otherAuthorityFile: String { "\(folder)/tls/other.pem" }
  /// The password of all accounts.
  public static let password = "correct horse \"battery\" \\staple"
  /// The name in its certificate, besides the address.
  public static let name = "mail.lab.example"
  /// Says `ready` once both servers listen; ends both when it is ended.
  public var script: String { "\(folder)/run.sh" }

  /// The programs that it takes; nil when all are there.
  public static var missingSentence: String? {
    guard getuid() == 0 else { return "A mail server of its own takes root." }
    let missing = [("dovecot", "dovecot-imapd"), ("postfix", "postfix"), ("openssl", "openssl")].filter {
      Lab.findProgram($0.0) == nil
    }
    guard !missing.isEmpty else { return nil }
    return "A mail server takes the packages \(missing.map(\.1).joined(separator: ", ")) and dovecot-lmtpd."
  }

  /// Writes the configuration and the certificates into a new folder.
  ///
  /// - Parameters:
  ///   - address: The address to listen on, which the certificate is for as well.
  ///   - accounts: The addresses that can log in.
  ///   - domain: The domain whose mail is taken.
  ///   - idle: Whether the IMAP server offers IDLE.
  ///   - messageLimit: The most bytes that a mail may have.
  public init(
    address: String, ports: Ports = .usual, accounts: [String], domain: String = "lab.example", idle: Bool = true,
    messageLimit: Int = 10_240_000
  ) throws {
    // The servers' users must reach their files, so this is no folder of the lab's.
    folder =
      "\(FileManager.default.temporaryDirectory.path)/plexus-mail-\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
    self.address = address
    self.ports = ports
    for part in ["", "/tls", "/dovecot", "/run", "/spool", "/postfix", "/pf-queue", "/pf-data"] {
      try FileManager.default.createDirectory(
        atPath: folder + part, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
    }
    try write("dovecot/users", accounts.map { "\($0):{PLAIN}\(Self.password)\n" }.joined())
    try write("dovecot/dovecot.conf", dovecot(idle: idle))
    try write("postfix/main.cf", postfix(domain: domain, messageLimit: messageLimit))
    try write("postfix/master.cf", master)
    try write("tls/make.sh", certificates)
    try write("run.sh", run)
  }

  /// Takes the folder away; the servers must have ended.
  public func remove() { try? FileManager.default.removeItem(atPath: folder) }

  /// The mails in an inbox, as the server stores them.
  public func mails(of address: String) -> [String] {
    ["new", "cur"].flatMap { part -> [String] in
      let folder = "\(folder)/spool/\(address)/\(part)"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      return names.sorted().compactMap { try? String(contentsOfFile: "\(folder)/\($0)", encoding: .isoLatin1) }
    }
  }

  private func write(_ name: String, _ text: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
  }
}

extension Lab {
  /// Runs a mail server on the public side's first address, on the usual ports, while `body` runs.
  ///
  /// - Throws: ``LabError`` if it does not start.
  public func withMailServer<Value: Sendable>(
    for peers: [PlexusPeer], idle: Bool = true, isolation: isolated (any Actor)? = #isolation,
    _ body: (MailServerSite) async throws -> Value
  ) async throws -> Value {
    let site = try MailServerSite(address: server.address, accounts: peers.map(\.mailAddress), idle: idle)
    defer { site.remove() }
    return try await server.withProcess("sh", site.script) { running in
      try await running.waitForLine(containing: "ready")
      return try await body(site)
    }
  }
}

extension MailServerSite {
  private func dovecot(idle: Bool) -> String {
    """
    protocols = imap lmtp
    listen = \(address)
    base_dir = \(folder)/run
    state_dir = \(folder)/run
    log_path = \(folder)/dovecot.log
    auth_mechanisms = plain login
    auth_failure_delay = 0
    mail_location = maildir:\(folder)/spool/%u
    first_valid_uid = 8
    ssl = required
    ssl_cert = <\(folder)/tls/server.pem
    ssl_key = <\(folder)/tls/server.key
    ssl_min_protocol = TLSv1.2
    disable_plaintext_auth = yes
    mail_max_userip_connections = 100
    \(idle ? "" : "imap_capability = IMAP4rev1 SASL-IR LITERAL+ UIDPLUS")
    passdb {
      driver = passwd-file
      args = \(folder)/dovecot/users
    }
    userdb {
      driver = static
      args = uid=mail gid=mail home=\(folder)/spool/%u
    }
    namespace inbox {
      inbox = yes
    }
    service imap-login {
      inet_listener imap {
        port = \(ports.imap)
      }
      inet_listener imaps {
        port = \(ports.imaps)
        ssl = yes
      }
    }
    service lmtp {
      unix_listener lmtp {
        mode = 0666
      }
    }
    service auth {
      unix_listener auth-smtp {
        mode = 0666
      }
    }
    service anvil {
      unix_listener anvil-auth-penalty {
        mode = 0
      }
    }

    """
  }

  private func postfix(domain: String, messageLimit: Int) -> String {
    """
    compatibility_level = 3.6
    queue_directory = \(folder)/pf-queue
    data_directory = \(folder)/pf-data
    maillog_file = \(folder)/postfix.log
    maillog_file_prefixes = \(folder)
    inet_interfaces = \(address)
    inet_protocols = all
    myhostname = \(MailServerSite.name)
    mydestination =
    mynetworks =
    alias_maps =
    local_recipient_maps =
    virtual_mailbox_domains = \(domain)
    virtual_mailbox_maps = static:ok
    virtual_transport = lmtp:unix:\(folder)/run/lmtp
    message_size_limit = \(messageLimit)
    smtpd_sasl_type = dovecot
    smtpd_sasl_path = \(folder)/run/auth-smtp
    smtpd_sasl_auth_enable = yes
    smtpd_relay_restrictions = permit_sasl_authenticated, reject
    smtpd_tls_auth_only = yes
    smtpd_tls_security_level = may
    smtpd_tls_cert_file = \(folder)/tls/server.pem
    smtpd_tls_key_file = \(folder)/tls/server.key
    smtpd_peername_lookup = no
    smtpd_error_sleep_time = 0
    smtpd_client_connection_rate_limit = 0

    """
  }

  private var master: String {
    let services = [
      "\(ports.smtps) inet n - n - - smtpd -o smtpd_tls_wrappermode=yes", "\(ports.submission) inet n - n - - smtpd",
      "pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
      "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
      "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
      "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp",
      "relay unix - - n - - smtp", "showq unix n - n - - showq", "error unix - - n - - error",
      "retry unix - - n - - error", "discard unix - - n - - discard", "local unix - n n - - local",
      "virtual unix - n n - - virtual", "lmtp unix - - n - - lmtp", "anvil unix - - n - 1 anvil",
      "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd",
    ]
    return services.joined(separator: "\n") + "\n"
  }

  private var certificates: String {
    """
    set -e
    cd \(folder)/tls
    for ca in ca other; do
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $ca.key -out $ca.pem -days 30 \\
        -subj "/CN=test $ca" -addext basicConstraints=critical,CA:TRUE
    done
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr \\
      -subj "/CN=\(MailServerSite.name)"
    printf 'subjectAltName=DNS:\(MailServerSite.name),IP:\(address)\\n' >server.ext
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.pem
    chmod 600 server.key

    """
  }

  /// Ends by SIGTERM, or when its standard input is told to: both servers leave their process group, so they are ended by number.
  private var run: String {
    """
    set -e
    PATH=$PATH:/usr/sbin:/sbin
    cd \(folder)
    end() {
      trap '' TERM INT HUP EXIT
      for file in run/master.pid pf-queue/pid/master.pid; do
        [ ! -s $file ] || kill -TERM $(cat $file) 2>/dev/null || true
      done
      wait
      exit 0
    }
    trap end TERM INT HUP EXIT
    [ -e tls/server.pem ] || sh tls/make.sh >tls.log 2>&1 || { cat tls.log; exit 1; }
    chown mail:mail spool
    chmod 700 spool
    chown postfix pf-data
    chmod 700 pf-data
    postfix -c \(folder)/postfix check >>start.log 2>&1 || true
    dovecot -F -c \(folder)/dovecot/dovecot.conf </dev/null >>start.log 2>&1 &
    postfix -c \(folder)/postfix start-fg </dev/null >>start.log 2>&1 &
    round=0
    while :; do
      missing=
      for port in \(ports.smtps) \(ports.imaps) \(ports.submission) \(ports.imap); do
        grep -qi ":$(printf %04X $port) [0-9A-F:]* 0A " /proc/net/tcp /proc/net/tcp6 || missing=$port
      done
      [ -n "$missing" ] || break
      round=$((round + 1))
      [ $round -lt 1500 ] || { echo "no mail server listens on $missing"; cat start.log dovecot.log postfix.log; exit 1; }
      sleep 0.01
    done
    echo ready
    wait

    """
  }
}
