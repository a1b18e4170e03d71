import CLISupport
import Logging
import Plexus

/// The options of a run, read and checked: nothing here can be wrong any more.
struct Settings {
  enum Role {
    case accepting(IdentityPattern)
    case inviting(IdentityName)
  }

  /// What a passage is for.
  enum Work {
    case payload(Payload)
    case exporting([ExportedService])
    case importing([ImportedService])
    case standardStreams
  }

  var role: Role
  var host: IdentityName?
  var repositoryPath: String
  var configuration: PlexusConfiguration
  var work: Work
  var showsStatus: Bool
  var logLevel: Logger.Level
  var logFile: String?

  /// Checks the options, and says of the first that is wrong what it should be.
  init(_ options: PlexusOptions, environment: Environment) throws {
    let application = try Self.application(options)
    guard !options.stunServer.isEmpty else {
      throw Self.missing("stun-server", "name at least one STUN server, such as --stun-server=stun.example.org:3478")
    }
    repositoryPath = options.appRepo ?? "."
    host = try options.hostInfo.map(IdentityName.init)
    role = try Self.role(options)
    work = try Self.work(options, environment)
    showsStatus = options.status
    logLevel =
      try Self.value(options.logLevel, of: "log-level", "fatal, error, warning, info, debug or trace") {
        CLISupport.logLevel(named: $0)
      } ?? .info
    logFile = options.logFile
    configuration = PlexusConfiguration(
      application: application, stunServers: try Self.hosts(options.stunServer, of: "stun-server"),
      stateFolder: environment.folders.state)
    configuration.dht.cacheFolder = environment.folders.cache
    try configuration.apply(options)
    try configuration.apply(environment)
    configuration.email = try EmailConfiguration(options, environment)
  }

  static func application(_ options: PlexusOptions) throws(CommandFailure) -> String {
    let maximum = 255
    guard let application = options.appID, !application.isEmpty else {
      throw missing("app-id", "give the application a name of 1 to \(maximum) bytes, the same on both sides")
    }
    guard application.utf8.count <= maximum else {
      throw CommandFailure(
        .usage,
        "--app-id is \(application.utf8.count) bytes long; choose a name of \(maximum) at most, the same on both sides")
    }
    return application
  }

  private static func role(_ options: PlexusOptions) throws -> Role {
    if options.accept { return .accepting(try options.peerInfo.map(IdentityPattern.init) ?? .any) }
    guard let peer = options.peerInfo else {
      throw missing("peer-info", "name the peer to invite as OWNER/PIN, or --accept invitations")
    }
    return .inviting(try IdentityName(peer))
  }

  private static func work(_ options: PlexusOptions, _ environment: Environment) throws -> Work {
    let chosen = [
      options.execCommand.map { _ in "--exec-command" }, options.export.isEmpty ? nil : "--export",
      options.imports.isEmpty ? nil : "--import", options.stdio ? "--stdio" : nil,
    ].compactMap(\.self)
    guard chosen.count <= 1 else {
      throw CommandFailure(
        .usage, "\(chosen.joined(separator: " and ")) exclude each other; choose one, or run plexus twice")
    }
    if let alone = options.programOption, let purpose = chosen.first, options.execCommand == nil {
      throw CommandFailure(.usage, "\(alone) is for the program of --exec-command, not for \(purpose); leave it out")
    }
    if options.stdio {
      guard !options.accept else {
        throw CommandFailure(
          .usage, "--stdio carries one connection to a peer; name it with --peer-info instead of --accept")
      }
      return .standardStreams
    }
    if !options.export.isEmpty {
      let services: [ExportedService] = try options.export.compactMap {
        try value($0, of: "export", "[NAME=]HOST:PORT, with /udp for UDP", ExportedService.init)
      }
      try requireDistinct(services)
      return .exporting(services)
    }
    if !options.imports.isEmpty {
      let services: [ImportedService] = try options.imports.compactMap {
        try value($0, of: "import", "[HOST:]PORT[=NAME], with /udp for UDP", ImportedService.init)
      }
      try requireDistinct(services)
      return .importing(services)
    }
    guard let command = options.execCommand else {
      throw missing(
        "exec-command", "name the program to run when the passage is made, or a service to --export or --import")
    }
    let payload = try Payload(
      command: command, arguments: options.execArgs ?? Payload.defaultArguments, workingDirectory: options.execPwd,
      log: options.execLog, environment: options.execEnv ?? "")
    try PayloadProgram.check(command, in: options.execPwd, path: environment.variables["PATH"])
    return .payload(payload)
  }

  static func missing(_ option: String, _ advice: String) -> CommandFailure {
    CommandFailure(.usage, "--\(option) is missing: \(advice)")
  }

  /// Reads one option's value, or fails with what it should be.
  static func value<Value>(
    _ text: String?, of option: String, _ expected: String, _ read: (String) -> Value?
  ) throws(CommandFailure) -> Value? {
    guard let text else { return nil }
    guard let value = read(text) else {
      throw CommandFailure(.usage, "--\(option) is \(expected), not \"\(text)\"")
    }
    return value
  }

  static func hosts(_ texts: [String], of option: String) throws(CommandFailure) -> [HostAndPort] {
    var hosts: [HostAndPort] = []
    for text in texts.flatMap({ $0.split { $0 == "," || $0 == ";" || $0.isWhitespace } }) {
      guard let host = try value(String(text), of: option, "host[:port]", HostAndPort.init), !hosts.contains(host)
      else {
        continue
      }
      hosts.append(host)
    }
    guard !hosts.isEmpty else { throw CommandFailure(.usage, "--\(option) is empty: name at least one host[:port]") }
    return hosts
  }
}

extension PlexusOptions {
  /// The first option given that says how a program is started.
  fileprivate var programOption: String? {
    let given = [
      ("--exec-args", self.execArgs), ("--exec-pwd", self.execPwd), ("--exec-log", self.execLog),
      ("--exec-env", self.execEnv),
    ]
    return given.first { $0.1 != nil }?.0
  }
}

extension PlexusConfiguration {
  mutating func apply(_ options: PlexusOptions) throws(CommandFailure) {
    if let endpoint = try Settings.value(
      options.stunClient, of: "stun-client", "a local address:port, IPv6 in brackets", Endpoint.init)
    {
      localEndpoint = endpoint
    }
    if let hops = try Settings.value(options.punchHops, of: "punch-hops", "a number from 1 to 255", { UInt8($0) }) {
      guard hops > 0 else { throw CommandFailure(.usage, "--punch-hops is a number from 1 to 255, not 0") }
      punchHops = hops
    }
    if let ways = try Settings.value(options.ways, of: "ways", "all or public", Ways.init) { self.ways = ways }
    let isForServices = !options.export.isEmpty || !options.imports.isEmpty || options.stdio
    purpose = isForServices ? .streams : .datagrams
    if let security = try Settings.value(options.secure, of: "secure", "prefer or require", Security.init) {
      guard isForServices else {
        throw CommandFailure(
          .usage, "--secure is for --export, --import and --stdio: what a payload program sends is its own affair")
      }
      self.security = security
    }
    mapsPorts = !options.noPortMapping
    if !options.dhtBootstrap.isEmpty {
      dht.bootstrap = try Settings.hosts(options.dhtBootstrap, of: "dht-bootstrap")
    }
    if let port = try Settings.value(options.dhtPort, of: "dht-port", "a port from 0 to 65535", { UInt16($0) }) {
      dht.port = .fixed(port)
    }
    if let network = try Settings.value(options.dhtNetwork, of: "dht-network", "a 32-bit number", { UInt32($0) }) {
      dht.network = network
    }
  }

  /// The variables that the deployed C++ tool knows, too.
  mutating func apply(_ environment: Environment) throws(CommandFailure) {
    if let timeout = try Self.milliseconds("PLEXUS_HANDSHAKE_TIMEOUT", environment) { handshakeTimeout = timeout }
    if let timeout = try Self.milliseconds("PLEXUS_RESPONSE_TIMEOUT", environment) { responseTimeout = timeout }
    subjects = MessageSubjects(environment: environment.variables)
  }

  private static func milliseconds(_ name: String, _ environment: Environment) throws(CommandFailure) -> Duration? {
    guard let text = environment[name] else { return nil }
    // A day is more than anybody waits.
    guard let number = Int64(text), (1...86_400_000).contains(number) else {
      throw CommandFailure(.usage, "\(name) is a number of milliseconds from 1 to 86400000, not \"\(text)\"")
    }
    return .milliseconds(number)
  }
}
