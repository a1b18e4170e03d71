import ArgumentParser

/// The options of `plexus advent`: those of `plexus` that have to do with meeting.
struct AdventOptions: ParsableArguments {
  @OptionGroup(title: "WHO TELLS WHOM") var meeting: AdventMeetingOptions
  @OptionGroup(title: "MEETING OVER THE DHT") var dht: DHTOptions
  @OptionGroup(title: "MEETING BY EMAIL, INSTEAD OF THE DHT") var email: EmailOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var log: LogOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var file: ConfigurationFileOptions

  /// The same as options of `plexus`, with what the file of `--config` adds.
  func merged() throws -> PlexusOptions {
    var options = try PlexusOptions.parse([])
    options.appID = meeting.appID
    options.identity = meeting.identity
    options.peerInfo = meeting.peerInfo
    options.dht = dht
    options.email = email
    options.log = log
    options.file = file
    return try options.addingConfigurationFile()
  }
}

/// Which way notices go, and between whom.
struct AdventMeetingOptions: ParsableArguments {
  @Flag(help: "Send a notice to --peer-info.")
  var forward = false

  @Flag(help: "Print who sends notices.")
  var receive = false

  @Option(
    name: [.customLong("app-id"), .customLong("app-name")],
    help: ArgumentHelp("Name of the application; both sides use the same.", valueName: "name"))
  var appID: String?

  @OptionGroup var identity: IdentityOptions

  @Option(
    name: [.customLong("peer-info"), .customLong("peer-id")],
    help: ArgumentHelp(
      "Peer's identity; with --receive either half may be given alone, or nothing for any peer of the repository.",
      valueName: "owner/pin"))
  var peerInfo: String?
}
