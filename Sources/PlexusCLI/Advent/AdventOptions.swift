import ArgumentParser

/// The options of `plexus advent`: those of `plexus` that have to do with meeting.
struct AdventOptions: ParsableArguments {
  @Flag(help: "Send a notice to --peer-info.")
  var forward = false

  @Flag(help: "Print who sends notices.")
  var receive = false

  @Option(
    name: [.customLong("app-id"), .customLong("app-name")],
    help: ArgumentHelp("Name of the application; both sides use the same.", valueName: "name"))
  var appID: String?

  @Option(help: ArgumentHelp("Folder of identities, the application repository. (default: .)", valueName: "folder"))
  var appRepo: String?

  @Option(
    name: [.customLong("host-info"), .customLong("host-id")],
    help: ArgumentHelp(
      "Own identity; may be left out where the repository holds one private key.", valueName: "owner/pin"))
  var hostInfo: String?

  @Option(
    name: [.customLong("peer-info"), .customLong("peer-id")],
    help: ArgumentHelp(
      "Peer's identity; with --receive either half may be given alone, or nothing for any peer of the repository.",
      valueName: "owner/pin"))
  var peerInfo: String?

  @Option(help: ArgumentHelp("DHT nodes to join by, separated by commas.", valueName: "host[:port]"))
  var dhtBootstrap: [String] = []

  @Option(help: ArgumentHelp("Local port of the DHT node.", valueName: "port"))
  var dhtPort: String?

  @Option(help: ArgumentHelp("DHT network. (default: 0)", valueName: "number"))
  var dhtNetwork: String?

  @Option(help: ArgumentHelp("SMTP server, to meet by email.", valueName: "host[:port]"))
  var emailSmtps: String?

  @Option(help: ArgumentHelp("IMAP server.", valueName: "host[:port]"))
  var emailImaps: String?

  @Option(help: ArgumentHelp("Account at both.", valueName: "login"))
  var emailLogin: String?

  @Option(help: ArgumentHelp("Its password; rather use the next, or PLEXUS_EMAIL_PASSWORD.", valueName: "password"))
  var emailPassword: String?

  @Option(help: ArgumentHelp("File whose first line is the password.", valueName: "file"))
  var emailPasswordFile: String?

  @Option(help: ArgumentHelp("auto, plain, login or xoauth2. (default: auto)", valueName: "method"))
  var emailAuth: String?

  @Option(help: ArgumentHelp("TLS client certificate for the mail servers.", valueName: "file"))
  var emailCert: String?

  @Option(help: ArgumentHelp("Its private key.", valueName: "file"))
  var emailKey: String?

  @Option(help: ArgumentHelp("CA to trust for the mail servers.", valueName: "file"))
  var emailCa: String?

  @Option(help: ArgumentHelp("fatal, error, warning, info, debug or trace. (default: info)", valueName: "level"))
  var logLevel: String?

  @Option(help: ArgumentHelp("File to append the log to; %p is the process id.", valueName: "file"))
  var logFile: String?

  @Option(
    help: ArgumentHelp(
      "File of `name = value` lines with options of plexus; those named here count.", valueName: "file"))
  var config: String?

  /// The same as options of `plexus`, with what the file of `--config` adds.
  func merged() throws -> PlexusOptions {
    var options = try PlexusOptions.parse([])
    options.appID = appID
    options.appRepo = appRepo
    options.hostInfo = hostInfo
    options.peerInfo = peerInfo
    options.dhtBootstrap = dhtBootstrap
    options.dhtPort = dhtPort
    options.dhtNetwork = dhtNetwork
    options.emailSmtps = emailSmtps
    options.emailImaps = emailImaps
    options.emailLogin = emailLogin
    options.emailPassword = emailPassword
    options.emailPasswordFile = emailPasswordFile
    options.emailAuth = emailAuth
    options.emailCert = emailCert
    options.emailKey = emailKey
    options.emailCa = emailCa
    options.logLevel = logLevel
    options.logFile = logFile
    options.config = config
    return try options.addingConfigurationFile()
  }
}
