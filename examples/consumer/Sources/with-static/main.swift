import Identity
import Logging
import Plexus

// Makes an identity in a folder, and a Plexus of it that could invite or accept.
let repository = try ApplicationRepository.openOrCreate(path: CommandLine.arguments.dropFirst().first ?? "identities")
let name = try IdentityName("sample@example.org/consumer")
_ = try repository.create(name, options: NewIdentityOptions(bits: 2048, days: 1))
let configuration = PlexusConfiguration(application: "sample", stunServers: [])
let plexus = try Plexus(
  repository: repository, host: name, configuration: configuration, logger: Logger(label: "sample"))
print("Plexus \(PlexusVersion.current), OpenDHT \(PlexusVersion.openDHT), \(plexus.host)")
