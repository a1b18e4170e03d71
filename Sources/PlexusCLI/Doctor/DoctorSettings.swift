import CLISupport
import Logging
import Plexus

/// The options of `plexus doctor`, read and checked. What a passage cannot do without may be missing: to say so is what the doctor is for.
struct DoctorSettings {
  var diagnosis: Diagnosis
  var logLevel: Logger.Level
  var logFile: String?

  /// Checks the options, and says of the first that is wrong what it should be.
  init(_ given: DoctorOptions, environment: Environment) throws {
    let options = try given.merged()
    var configuration = PlexusConfiguration(
      application: options.appID ?? "doctor",
      stunServers: options.stunServer.isEmpty ? [] : try Settings.hosts(options.stunServer, of: "stun-server"),
      stateFolder: environment.folders.state)
    try configuration.apply(options)
    configuration.email = try EmailConfiguration(options, environment)
    diagnosis = Diagnosis(
      repositoryPath: options.appRepo ?? ".", host: try options.hostInfo.map(IdentityName.init),
      configuration: configuration)
    diagnosis.peer = try given.asking.peer.map(IdentityName.init)
    diagnosis.peerTraits = try Settings.value(
      given.asking.peerTraits, of: "peer-traits",
      "what the peer's plexus doctor printed after “Tell your peer”, such as cone/port-restricted", NetworkTraits.init)
    logLevel = try Settings.logLevel(options.logLevel)
    logFile = options.logFile
  }
}
