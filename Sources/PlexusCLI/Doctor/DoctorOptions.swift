import ArgumentParser

/// The options of `plexus doctor`: those of `plexus` that have to do with meeting and with the network.
struct DoctorOptions: ParsableArguments {
  @OptionGroup(title: "WHAT TO LOOK AT") var asking: DoctorAskingOptions
  @OptionGroup(title: "OWN NETWORK") var network: NetworkOptions
  @OptionGroup(title: "MEETING OVER THE DHT") var dht: DHTOptions
  @OptionGroup(title: "MEETING BY EMAIL, INSTEAD OF THE DHT") var email: EmailOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var log: LogOptions
  @OptionGroup(title: "LOG AND CONFIGURATION") var file: ConfigurationFileOptions

  /// The same as options of `plexus`, with what the file of `--config` adds.
  func merged() throws -> PlexusOptions {
    var options = try PlexusOptions.parse([])
    options.identity = asking.identity
    options.noPortMapping = asking.noPortMapping
    options.network = network
    options.dht = dht
    options.email = email
    options.log = log
    options.file = file
    return try options.addingConfigurationFile()
  }
}

/// Whose passages are meant, and how it is told.
struct DoctorAskingOptions: ParsableArguments {
  @OptionGroup var identity: IdentityOptions

  @Option(
    name: [.customLong("peer"), .customLong("peer-info"), .customLong("peer-id")],
    help: ArgumentHelp("A peer to look at, too; one in the file of --config is not.", valueName: "owner/pin"))
  var peer: String?

  @Option(
    help: ArgumentHelp(
      "What the peer's plexus doctor printed after “Tell your peer”: whether a passage will come about.",
      valueName: "text"))
  var peerTraits: String?

  @Flag(help: "Do not ask the router whether it forwards ports.")
  var noPortMapping = false

  @Flag(help: "Print JSON for programs; docs/doctor.md names the fields.")
  var json = false
}
