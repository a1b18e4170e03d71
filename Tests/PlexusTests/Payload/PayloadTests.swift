import Datagrams
import Foundation
import Identity
import Testing

@testable import Plexus

@Suite struct PayloadTests {
  private let passage: PassageDescription

  init() throws {
    passage = PassageDescription(
      host: try IdentityName("alice@example.org/desk"), peer: try IdentityName("bob@example.org/lab"),
      inner: try #require(Endpoint("0.0.0.0:40001")), outer: try #require(Endpoint("203.0.113.5:50001")),
      alien: try #require(Endpoint("[2001:db8::7]:60001")), secret: PassageSecret(12_345),
      files: .init(hostCertificate: "/r/a/cert.crt", hostKey: "/r/a/private.key", peerCertificate: "/r/b/cert.crt"))
  }

  @Test(
    arguments: [
      ("%innerip% %innerport% %inner%", "0.0.0.0 40001 0.0.0.0:40001"),
      ("%outerip% %outerport% %outer%", "203.0.113.5 50001 203.0.113.5:50001"),
      ("%peerip% %peerport% %alien%", "2001:db8::7 60001 [2001:db8::7]:60001"),
      ("%hostmail%%hostemail%%hostpin% %hostid%", "alice@example.orgalice@example.orgdesk alice@example.org/desk"),
      ("%peermail%%peeremail%%peerpin% %peerid%", "bob@example.orgbob@example.orglab bob@example.org/lab"),
      ("%hostcert% %hostkey% %peercert%", "/r/a/cert.crt /r/a/private.key /r/b/cert.crt"),
      ("%secret%", "12345"), ("100% %nothing% %", "100% %nothing% %"), ("%%secret%%", "%12345%"),
    ])
  func wildcardsBecomeThePassagesValues(template: String, expanded: String) {
    #expect(passage.expandingWildcards(in: template) == expanded)
  }

  @Test func aSecretIsNeverDescribed() {
    var dumped = ""
    dump(passage, to: &dumped)
    #expect(!"\(passage) \(String(reflecting: passage.secret))".contains("12345") && !dumped.contains("12345"))
  }

  @Test func thePayloadRunsInItsOwnSessionAndFolderWithItsEnvironment() async throws {
    try await withTemporaryFolder { folder in
      let payload = try Payload(
        command: "/bin/sh",
        arguments: #"-c 'echo "$PEER $# $1"; pwd; ps -o sid= -p $$; echo $$; cat' payload '%peerpin% x'"#,
        workingDirectory: folder, log: folder + "/%peerpin%.log", environment: "PEER=%peerid%")
      let process = try payload.start(for: passage)
      #expect(try await process.exitStatus() == 0)
      let lines = try String(contentsOfFile: folder + "/lab.log", encoding: .utf8).split(separator: "\n")
      #expect(lines.prefix(2) == ["bob@example.org/lab 1 lab x", folder[...]])
      #expect(
        lines.dropFirst(2).map { $0.trimmingCharacters(in: .whitespaces) } == [
          "\(process.processID)", "\(process.processID)",
        ])
    }
  }

  @Test func thePayloadGetsNoDescriptorOfOurs() async throws {
    try await withTemporaryFolder { folder in
      let open = try #require(fopen("/dev/null", "r"))  // Without close-on-exec.
      defer { fclose(open) }
      let payload = try Payload(command: "/bin/ls", arguments: "/proc/self/fd", log: folder + "/log")
      #expect(try await payload.start(for: passage).exitStatus() == 0)
      // 3 is the folder that `ls` itself reads.
      #expect(try String(contentsOfFile: folder + "/log", encoding: .utf8) == "0\n1\n2\n3\n")
    }
  }

  @Test func theExitStatusIsToldEvenWhenSomebodyAsksLate() async throws {
    let process = try Payload(command: "sh", arguments: "-c 'exit 7'").start(for: passage)
    while kill(process.processID, 0) == 0, !isZombie(process.processID) { try await Task.sleep(for: .milliseconds(1)) }
    #expect(try await process.exitStatus() == 7)
  }

  @Test func aProgramThatIsNotThereIsToldBeforeAnythingRuns() throws {
    let missing = try Payload(command: "/no/such/program-%peerpin%")
    #expect { try missing.start(for: passage) } throws: { error in
      (error as? PlexusError)?.code == .payloadNotStarted && "\(error)".contains("/no/such/program-lab")
    }
    let nowhere = try Payload(command: "true", workingDirectory: "/no/such/folder")
    #expect { try nowhere.start(for: passage) } throws: { "\($0)".contains("/no/such/folder") }
    let unwritable = try Payload(command: "true", log: "/no/such/folder/log")
    #expect { try unwritable.start(for: passage) } throws: { "\($0)".contains("/no/such/folder/log") }
  }

  @Test func aVariableWithoutANameIsRefused() {
    #expect(throws: PlexusError.self) { try Payload(command: "true", environment: "=x") }
    #expect(throws: PlexusError.self) { try Payload(command: "true", environment: "x") }
  }
}

private func isZombie(_ process: pid_t) -> Bool {
  let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
  return status?.contains(") Z ") ?? true
}

/// A folder that is gone afterwards.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}
