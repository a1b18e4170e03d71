import CLISupport
import LibC
import Plexus

extension EmailConfiguration {
  /// Reads the `--email-…` options; nil where there are none, and peers meet over the DHT.
  ///
  /// - Throws: ``CommandFailure`` that names the option which is missing or wrong.
  init?(_ options: PlexusOptions, _ environment: Environment) throws(CommandFailure) {
    let given = [
      options.emailSmtps, options.emailImaps, options.emailLogin, options.emailPassword, options.emailPasswordFile,
      options.emailAuth, options.emailCert, options.emailKey, options.emailCa,
    ]
    guard given.contains(where: { $0 != nil }) else { return nil }
    guard
      let smtp = try Settings.value(
        options.emailSmtps, of: "email-smtps", "host[:port] or starttls://host[:port]", MailServer.init)
    else { throw Self.missing("email-smtps") }
    guard
      let imap = try Settings.value(
        options.emailImaps, of: "email-imaps", "host[:port] or starttls://host[:port]", MailServer.init)
    else { throw Self.missing("email-imaps") }
    guard let login = options.emailLogin, !login.isEmpty else { throw Self.missing("email-login") }
    self.init(smtp: smtp, imap: imap, login: login, password: try Self.password(options, environment))
    if let method = try Settings.value(
      options.emailAuth, of: "email-auth", "auto, plain, login or xoauth2", { EmailAuthentication(rawValue: $0) })
    {
      authentication = method
    }
    guard (options.emailCert == nil) == (options.emailKey == nil) else {
      throw options.emailCert == nil
        ? Settings.missing("email-cert", "name the client certificate that --email-key belongs to, or leave both out")
        : Settings.missing("email-key", "name the private key of --email-cert, or leave both out")
    }
    authorityFile = options.emailCa
    certificateFile = options.emailCert
    keyFile = options.emailKey
  }

  /// Finds out before anybody is asked whether the files can be read. What is in them is seen when they are used.
  ///
  /// - Throws: ``CommandFailure`` (`noInput`) that names the option.
  func checkFiles() throws(CommandFailure) {
    var files = [("email-ca", authorityFile), ("email-cert", certificateFile), ("email-key", keyFile)]
    if case .file(let path) = password { files.append(("email-password-file", path)) }
    for (option, file) in files {
      guard let file, access(file, R_OK) != 0 else { continue }
      throw CommandFailure(
        .noInput, "cannot read \(file): \(String(cString: strerror(errno))); mend that, or name another by --\(option)")
    }
  }

  /// The variable that holds the password where no option does.
  static let passwordVariable = "PLEXUS_EMAIL_PASSWORD"

  private static func password(
    _ options: PlexusOptions, _ environment: Environment
  ) throws(CommandFailure) -> EmailConfiguration.Password {
    switch (options.emailPassword, options.emailPasswordFile) {
    case (_?, _?):
      throw CommandFailure(.usage, "--email-password and --email-password-file say the same; give one of them")
    case (let password?, nil) where !password.isEmpty: return .text(password)
    case (nil, let file?): return .file(file)
    default:
      guard let password = environment[passwordVariable] else {
        throw CommandFailure(
          .usage,
          "--email-password is missing: give it, --email-password-file, or \(passwordVariable) in the environment")
      }
      return .text(password)
    }
  }

  private static func missing(_ option: String) -> CommandFailure {
    Settings.missing(
      option,
      "the email rendezvous takes --email-smtps, --email-imaps, --email-login and --email-password; give all four, or none"
    )
  }
}
