import ArgumentParser
import CLISupport
import FoundationEssentials
import LibC
import Plexus

/// `plexus doctor`: what works and what does not, layer by layer, and what to do.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Look at everything that passages need, and say what does not work, why, and what to do.",
    usage: "plexus doctor [<options>]",
    discussion: """
      Looks at identities, clock, local network, STUN servers, NAT and the DHT, or the mail servers where the --email-… options are given, \
      each by itself and most at once, within 10 seconds. Then it says with whom passages will come about, and why the last ones failed. \
      Nothing is changed, and no mail is sent. Exits with 1 if something is needed and does not work.

        $ plexus doctor --config plexus.conf

      The line “Tell your peer” is for the peer, who may ask what comes of the two networks:

        $ plexus doctor --config plexus.conf --peer-traits cone/port-restricted
      """)

  @OptionGroup var options: DoctorOptions

  func run() async throws {
    let settings = try DoctorSettings(options, environment: .current)
    let logger = try ConsoleLog(path: settings.logFile).logger(label: "plexus", level: settings.logLevel)
    let isForPrograms = options.asking.json
    let report = try await settings.diagnosis.run { finding in
      logger.debug("\(finding.found)", metadata: ["event": "doctor.\(finding.layer)", "verdict": "\(finding.verdict)"])
      guard !isForPrograms else { return }
      print(DiagnosisText.lines(of: finding))
      // Each is read as it is known, also through a pipe.
      fflush(nil)
    }
    if isForPrograms {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(DiagnosisText.summary(of: report, peerTraits: settings.diagnosis.peerTraits))
    }
    if !report.works { throw ExitCode.failure }
  }
}
