import ArgumentParser

/// The options of `plexus`, each in the spellings of the deployed C++ tool. All are optional here, because a configuration file may
/// hold them; `Settings` says what is missing.
@dynamicMemberLookup struct PlexusOptions: ParsableArguments {
  @OptionGroup(title: "WHO MEETS WHOM") var meeting: MeetingOptions
  @OptionGroup(title: "OWN NETWORK") var network: NetworkOptions
  @OptionGroup(title: "MEETING OVER THE DHT") var dht: DHTOptions
  @OptionGroup(title: "MEETING BY EMAIL, INSTEAD OF THE DHT") var email: EmailOptions
  @OptionGroup(title: "OPENING THE NAT") var punching: PunchOptions
  @OptionGroup(title: "PAYLOAD: A PROGRAM") var payload: PayloadOptions
  @OptionGroup(title: "PAYLOAD: SERVICES, INSTEAD OF A PROGRAM") var services: ServiceOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var log: LogOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var file: ConfigurationFileOptions
}

/// Who one is, and whom to meet.
struct MeetingOptions: ParsableArguments {
  @Flag(help: "Accept invitations, again and again; without it, invite once.")
  var accept = false

  @Option(
    name: [.customLong("app-id"), .customLong("app-name")],
    help: ArgumentHelp("Name of the application; both sides use the same.", valueName: "name"))
  var appID: String?

  @OptionGroup var identity: IdentityOptions

  @Option(
    name: [.customLong("peer-info"), .customLong("peer-id")],
    help: ArgumentHelp(
      "Peer's identity; with --accept either half may be given alone, or nothing for any peer of the repository.",
      valueName: "owner/pin"))
  var peerInfo: String?
}

/// Who one is.
struct IdentityOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Folder of identities, the application repository. (default: .)", valueName: "folder"),
    completion: .directory)
  var appRepo: String?

  @Option(
    name: [.customLong("host-info"), .customLong("host-id")],
    help: ArgumentHelp(
      "Own identity; may be left out where the repository holds one private key.", valueName: "owner/pin"))
  var hostInfo: String?
}

/// How the own network is explored, and what a passage is bound to.
struct NetworkOptions: ParsableArguments {
  @Option(
    name: [.customLong("stun-server"), .customLong("udp-stun")],
    help: ArgumentHelp(
      "STUN server, port 3478; several may be given, repeated or with commas.", valueName: "host[:port]"))
  var stunServer: [String] = []

  @Option(
    name: [.customLong("stun-client"), .customLong("udp-bind")],
    help: ArgumentHelp("Local address and port of the passage. (default: 0.0.0.0:0)", valueName: "address:port"))
  var stunClient: String?
}

/// The DHT to meet over.
struct DHTOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "DHT nodes to join by, separated by commas. (default: bootstrap.jami.net:4222)", valueName: "host[:port]"))
  var dhtBootstrap: [String] = []

  @Option(
    help: ArgumentHelp(
      "Local port of the DHT node. (default: 4222 with --accept, or any if that is taken; else any)", valueName: "port")
  )
  var dhtPort: String?

  @Option(help: ArgumentHelp("DHT network. (default: 0)", valueName: "number"))
  var dhtNetwork: String?
}

/// The mail account to meet by.
struct EmailOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "SMTP server of the email rendezvous, which takes the place of the DHT; starttls://host for port 587.",
      valueName: "host[:port]"))
  var emailSmtps: String?

  @Option(
    help: ArgumentHelp("Its IMAP server; starttls://host for port 143.", valueName: "host[:port]"))
  var emailImaps: String?

  @Option(help: ArgumentHelp("Account at both.", valueName: "login"))
  var emailLogin: String?

  @Option(
    help: ArgumentHelp(
      "Its password. Others on this machine can see it here: rather use the next, or PLEXUS_EMAIL_PASSWORD in the environment.",
      valueName: "password"))
  var emailPassword: String?

  @Option(help: ArgumentHelp("File whose first line is the password.", valueName: "file"), completion: .file())
  var emailPasswordFile: String?

  @Option(
    help: ArgumentHelp(
      "auto, plain, login or xoauth2, which takes an access token for the password. (default: auto)",
      valueName: "method"), completion: .list(["auto", "plain", "login", "xoauth2"]))
  var emailAuth: String?

  @Option(help: ArgumentHelp("TLS client certificate for the mail servers.", valueName: "file"), completion: .file())
  var emailCert: String?

  @Option(help: ArgumentHelp("Its private key.", valueName: "file"), completion: .file())
  var emailKey: String?

  @Option(
    help: ArgumentHelp("CA to trust for the mail servers. (default: those of the system)", valueName: "file"),
    completion: .file())
  var emailCa: String?
}

/// How holes are made.
struct PunchOptions: ParsableArguments {
  @Option(
    name: [.customLong("punch-hops"), .customLong("nat-hops")],
    help: ArgumentHelp("TTL of the datagram that opens the own NAT. (default: 7)", valueName: "1-255"))
  var punchHops: String?

  @Option(
    help: ArgumentHelp(
      "Which ways to this host the peer is told: all, or its public address alone, as C++ tools do; then there is none behind a symmetric NAT. "
        + "(default: all)", valueName: "all|public"), completion: .list(["all", "public"]))
  var ways: String?

  @Flag(help: "Do not ask the router to forward the passage's port (by PCP, NAT-PMP or UPnP).")
  var noPortMapping = false
}

/// The program that a passage starts.
struct PayloadOptions: ParsableArguments {
  @Option(
    name: [.customLong("exec-command"), .customLong("exec-cmd")],
    help: ArgumentHelp("Program to run when the passage is made.", valueName: "program"), completion: .file())
  var execCommand: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Its arguments, with wildcards. (default: %innerip% %innerport% %outerip% %outerport% %peerip% %peerport%)",
      valueName: "arguments"))
  var execArgs: String?

  @Option(help: ArgumentHelp("Its working directory, wildcards allowed.", valueName: "folder"), completion: .directory)
  var execPwd: String?

  @Option(help: ArgumentHelp("File for its output, wildcards allowed.", valueName: "file"), completion: .file())
  var execLog: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Variables of its environment, wildcards allowed.", valueName: "KEY=VALUE ..."))
  var execEnv: String?
}

/// The services that a passage carries.
struct ServiceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Instead of a program: a service for the peer, several by name. (example: ssh=127.0.0.1:22)",
      valueName: "[name=]host:port[/udp]"))
  var export: [String] = []

  @Option(
    name: .customLong("import"),
    help: ArgumentHelp(
      "Instead of a program: where to listen for clients of a peer's service. (example: 2222=ssh)",
      valueName: "[host:]port[=name][/udp]"))
  var imports: [String] = []

  @Flag(help: "Instead of a program: one connection to the peer's first service over standard input and output.")
  var stdio = false

  @Option(
    help: ArgumentHelp(
      "Whether --export, --import and --stdio must be encrypted: require refuses C++ tools and payload programs, whose streams are "
        + "only obscured. (default: prefer)", valueName: "prefer|require"))
  var secure: String?

  @Flag(help: "Show connected peers, streams, bytes and rates of --export or --import.")
  var status = false
}

/// What is told, and where; every command of plexus has these.
struct LogOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("fatal, error, warning, info, debug or trace. (default: info)", valueName: "level"),
    completion: .list(["fatal", "error", "warning", "info", "debug", "trace"]))
  var logLevel: String?

  @Option(
    help: ArgumentHelp("File to append the log to; %p is the process id.", valueName: "file"), completion: .file())
  var logFile: String?
}

/// Where more options are.
struct ConfigurationFileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "File of `name = value` lines with options of plexus; the command line wins.", valueName: "file"),
    completion: .file())
  var config: String?
}
