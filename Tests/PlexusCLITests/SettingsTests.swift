import ArgumentParser
import CLISupport
import Datagrams
import Foundation
import Identity
import Plexus
import RendezvousEmail
import Testing

@testable import PlexusCLI

@Suite struct SettingsTests {
  private static let invite = [
    "--app-id=demo", "--host-info", "alice@example.org/desk", "--peer-info=bob@example.org/lab",
    "--stun-server=192.0.2.1",
    "--exec-command=true",
  ]

  private func settings(_ arguments: [String], environment: [String: String] = ["HOME": "/home/alice"]) throws
    -> Settings
  {
    try Settings(
      PlexusOptions.parse(arguments).addingConfigurationFile(), environment: Environment(variables: environment))
  }

  @Test func bothSpellingsMeanTheSame() throws {
    let new = [
      "--app-name=demo", "--host-id", "alice@example.org/desk", "--peer-id=bob@example.org/lab", "--udp-stun=192.0.2.1",
      "--exec-cmd=true", "--udp-bind=127.0.0.1:5000", "--nat-hops=9",
    ]
    let old = Self.invite + ["--stun-client=127.0.0.1:5000", "--punch-hops=9"]
    for settings in [try settings(new), try settings(old)] {
      #expect(settings.configuration.application == "demo")
      #expect(settings.host?.description == "alice@example.org/desk")
      guard case .inviting(let peer) = settings.role else { throw CommandFailure(.usage, "not inviting") }
      #expect(peer.description == "bob@example.org/lab")
      #expect(settings.configuration.stunServers == [HostAndPort(host: "192.0.2.1", port: nil)])
      #expect(settings.configuration.localEndpoint == Endpoint("127.0.0.1:5000"))
      #expect(settings.configuration.punchHops == 9)
      #expect(settings.payload?.command == "true")
    }
  }

  @Test func serversMayBeRepeatedOrSeparatedByCommas() throws {
    let settings = try settings(
      Self.invite + ["--stun-server=b.example:1,c.example", "--dht-bootstrap=d.example;e.example:5"])
    #expect(settings.configuration.stunServers.map(\.description) == ["192.0.2.1", "b.example:1", "c.example"])
    #expect(settings.configuration.dht.bootstrap.map(\.description) == ["d.example", "e.example:5"])
  }

  @Test func theDefaultsAreThoseOfTheReference() throws {
    let settings = try settings(Self.invite)
    #expect(settings.configuration.localEndpoint == Endpoint("0.0.0.0:0"))
    #expect(settings.configuration.punchHops == 7)
    #expect(settings.configuration.dht.bootstrap.map(\.description) == ["bootstrap.jami.net:4222"])
    #expect(settings.configuration.dht.network == 0)
    #expect(
      settings.payload?.arguments == ["%innerip%", "%innerport%", "%outerip%", "%outerport%", "%peerip%", "%peerport%"])
    #expect(settings.logLevel == .info)
    #expect(settings.repositoryPath == ".")
    #expect(
      settings.configuration.handshakeTimeout == .seconds(60) && settings.configuration.responseTimeout == .seconds(60))
  }

  @Test func theAcceptorsPeerMayBeLeftOutOrHalf() throws {
    let accept = ["--accept", "--app-id=demo", "--stun-server=192.0.2.1", "--exec-command=true"]
    for (argument, matches) in [
      ([], true), (["--peer-info=bob@example.org"], true), (["--peer-info=eve@example.org"], false),
    ] {
      guard case .accepting(let pattern) = try settings(accept + argument).role else {
        throw CommandFailure(.usage, "not accepting")
      }
      #expect(pattern.matches(try IdentityName("bob@example.org/lab")) == matches)
    }
  }

  @Test func aPayloadThatIsNotThereIsToldAtOnce() throws {
    for command in ["/no/such/program", "no-such-program", "/etc/passwd", "/etc"] {
      #expect {
        try settings(Self.invite + ["--exec-command", command])
      } throws: { error in
        (error as? CommandFailure)?.status == .noInput && "\(error)".contains(command)
      }
    }
    // Only the passage tells.
    for words in [["--exec-command=/programs/%peerpin%"], ["--exec-command=./here", "--exec-pwd=/somewhere"]] {
      #expect(try settings(Self.invite + words).payload != nil)
    }
  }

  @Test func argumentsThatLookLikeOptionsReachThePayload() throws {
    let settings = try settings(Self.invite + ["--exec-args", "-c 'echo %secret%'"])
    #expect(settings.payload?.arguments == ["-c", "echo %secret%"])
  }

  @Test func theEnvironmentSetsTimeoutsAndWords() throws {
    let settings = try settings(
      Self.invite,
      environment: [
        "PLEXUS_HANDSHAKE_TIMEOUT": "1500", "PLEXUS_RESPONSE_TIMEOUT": "2500", "PLEXUS_INVITE_TOKEN": "come",
        "PLEXUS_ACCEPT_TOKEN": "yes", "XDG_STATE_HOME": "/state",
        "HOME": "/home/ann",
      ])
    #expect(settings.configuration.handshakeTimeout == .milliseconds(1500))
    #expect(settings.configuration.responseTimeout == .milliseconds(2500))
    #expect(settings.configuration.subjects.invite == "come" && settings.configuration.subjects.accept == "yes")
    #expect(settings.configuration.stateFolder == "/state/plexus")
    #expect(settings.configuration.dht.cacheFolder == "/home/ann/.cache/plexus")
  }

  @Test func theCommandLineWinsOverTheConfigurationFile() throws {
    try withConfiguration(
      """
      # made by hand
      app-id = from-file
      stun-server = 192.0.2.7
      punch-hops = 3
      accept = yes
      exec-args = a "b c"
      """
    ) { file in
      let settings = try settings(
        ["--config", file, "--app-name=mine", "--stun-server=192.0.2.1", "--exec-command=true", "--host-info=a@b/c"])
      #expect(settings.configuration.application == "mine")
      #expect(settings.configuration.stunServers.map(\.description) == ["192.0.2.1"])
      #expect(settings.configuration.punchHops == 3)
      #expect(settings.payload?.arguments == ["a", "b c"])
      guard case .accepting = settings.role else { throw CommandFailure(.usage, "not accepting") }
    }
  }

  @Test(
    arguments: [
      ("no-such-option = 1", "line 1"), ("\naccept = perhaps", "line 2"), ("nonsense", "line 1"),
      ("config = x", "line 1"),
      ("[plexus]\napp-id = x", "line 2"),
    ])
  func aBadConfigurationFileIsNamedWithItsLine(text: String, line: String) throws {
    try withConfiguration(text) { file in
      #expect {
        try settings(Self.invite + ["--config", file])
      } throws: { error in
        (error as? CommandFailure)?.status == .configuration && "\(error)".contains(file) && "\(error)".contains(line)
      }
    }
  }

  @Test func anEmptyValueInTheConfigurationFileIsSaidToBeEmpty() throws {
    try withConfiguration("stun-server = 192.0.2.7\napp-id =") { file in
      #expect {
        try settings(Self.invite + ["--config", file])
      } throws: {
        "\($0)".contains("line 2") && "\($0)".contains("empty")
      }
    }
  }

  @Test(
    arguments: [
      (["--app-id=\(String(repeating: "x", count: 256))"], "256 bytes"),
      (["--stun-client=nowhere"], "--stun-client"), (["--punch-hops=0"], "--punch-hops"),
      (["--punch-hops=256"], "--punch-hops"),
      (["--dht-port=x"], "--dht-port"), (["--dht-network=-1"], "--dht-network"), (["--log-level=loud"], "--log-level"),
      (["--stun-server=a b:99999"], "--stun-server"), (["--dht-bootstrap=,"], "--dht-bootstrap"),
      (["--exec-args='open"], "quote"), (["--exec-env=NOTHING"], "NOTHING"),
      (["--email-login=x"], "--email-smtps is missing"),
      (["--peer-info=bob"], "OWNER/PIN"), (["--host-info=../x"], "OWNER/PIN"),
      (["--config=/no/such/file"], "/no/such/file"),
    ])
  func aBadValueIsNamedWithWhatItShouldBe(arguments: [String], named: String) {
    #expect { try settings(Self.invite + arguments) } throws: { "\($0)".contains(named) }
  }

  private static let email = [
    "--email-smtps=mail.example.org", "--email-imaps=starttls://mail.example.org:1143", "--email-login=alice",
    "--email-password=secret",
  ]

  @Test func theEmailOptionsSelectTheEmailRendezvous() throws {
    #expect(try settings(Self.invite).configuration.email == nil)
    let settings = try settings(
      Self.invite + Self.email + ["--email-ca=ca", "--email-cert=cert", "--email-key=key", "--email-auth=xoauth2"])
    let email = try #require(settings.configuration.email)
    #expect(email.smtp == MailServer(host: "mail.example.org"))
    #expect(email.imap == MailServer(host: "mail.example.org", port: 1143, security: .startTLS))
    #expect(email.login == "alice" && email.authentication == .xoauth2)
    #expect(email.authorityFile == "ca" && email.certificateFile == "cert" && email.keyFile == "key")
    guard case .text("secret") = email.password else { throw CommandFailure(.usage, "another password") }
  }

  @Test(arguments: ["--email-smtps", "--email-imaps", "--email-login", "--email-password"])
  func allFourEmailOptionsOrNone(option: String) {
    let rest = Self.email.filter { !$0.hasPrefix(option) }
    #expect { try settings(Self.invite + rest) } throws: { "\($0)".contains("\(option) is missing") }
  }

  @Test func thePasswordMayStandElsewhere() throws {
    let rest = Self.invite + Self.email.dropLast()
    guard case .file("pw")? = try settings(rest + ["--email-password-file=pw"]).configuration.email?.password,
      case .text("env")? = try settings(
        rest, environment: ["HOME": "/", "PLEXUS_EMAIL_PASSWORD": "env"]
      ).configuration.email?.password
    else { throw CommandFailure(.usage, "another password") }
    // The variable alone selects nothing.
    #expect(
      try settings(Self.invite, environment: ["HOME": "/", "PLEXUS_EMAIL_PASSWORD": "env"]).configuration.email == nil)
    #expect { try settings(rest + ["--email-password=a", "--email-password-file=b"]) } throws: {
      "\($0)".contains("one of them")
    }
    try withConfiguration("email-password = of the file") { file in
      guard case .text("of the file")? = try settings(rest + ["--config", file]).configuration.email?.password,
        case .file("b")? = try settings(
          rest + ["--config", file, "--email-password-file=b"]
        ).configuration.email?.password
      else { throw CommandFailure(.usage, "another password") }
    }
  }

  @Test func adventsAreForwardedOrReceived() throws {
    func settings(_ arguments: String...) throws -> AdventSettings {
      try AdventSettings(
        AdventOptions.parse(["--app-id=demo"] + arguments), environment: Environment(variables: ["HOME": "/"]))
    }
    guard case .forward = try settings("--forward", "--peer-info=bob@example.org/lab").direction,
      case .receive(.any) = try settings("--receive").direction,
      case .receive = try settings("--receive", "--peer-id=bob@example.org").direction
    else { throw CommandFailure(.usage, "another direction") }
    for wrong in [[], ["--forward"], ["--forward", "--receive", "--peer-info=a@b/c"]] as [[String]] {
      #expect(throws: CommandFailure.self) {
        try AdventSettings(
          AdventOptions.parse(["--app-id=demo"] + wrong), environment: Environment(variables: ["HOME": "/"]))
      }
    }
  }

  @Test(arguments: ["--app-id", "--stun-server", "--exec-command", "--peer-info"])
  func aMissingOptionIsNamed(option: String) {
    let rest = Self.invite.filter { !$0.hasPrefix(option) }
    #expect { try settings(rest) } throws: { "\($0)".contains("\(option) is missing") }
  }
}

private func withConfiguration(_ text: String, _ body: (String) throws -> Void) throws {
  let file = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString).conf")
  try text.write(to: file, atomically: true, encoding: .utf8)
  defer { try? FileManager.default.removeItem(at: file) }
  try body(file.path)
}

extension Settings {
  /// The payload, where that is what a passage is for.
  fileprivate var payload: Payload? { if case .payload(let payload) = work { payload } else { nil } }
}

@Suite struct ServiceSettingsTests {
  private func settings(_ words: [String]) throws -> Settings {
    try Settings(
      PlexusOptions.parse(["--app-id=demo", "--stun-server=192.0.2.1", "--peer-info=bob@b.example/lab"] + words)
        .addingConfigurationFile(),
      environment: .current)
  }

  @Test func servicesTakeThePayloadsPlace() throws {
    guard
      case .exporting(let exported) = try settings(["--export=ssh=127.0.0.1:22", "--export", "web=localhost:80"]).work
    else { throw CommandFailure(.usage, "not exporting") }
    #expect(exported.map(\.name) == ["ssh", "web"])
    guard case .importing(let imported) = try settings(["--import=2222=ssh"]).work else {
      throw CommandFailure(.usage, "not importing")
    }
    #expect(imported.map(\.description) == ["127.0.0.1:2222=ssh"])
    guard case .standardStreams = try settings(["--stdio"]).work else { throw CommandFailure(.usage, "no streams") }
  }

  @Test func theRouterIsAskedUnlessThatIsNotWanted() throws {
    #expect(try settings(["--import=2222"]).configuration.mapsPorts)
    #expect(try !settings(["--import=2222", "--no-port-mapping"]).configuration.mapsPorts)
    try withConfiguration("no-port-mapping = true") { file in
      let configuration = try settings(["--import=2222", "--config=\(file)"]).configuration
      #expect(!configuration.mapsPorts)
    }
  }

  @Test func encryptionMayBeRequiredOnTheCommandLineAndInTheFile() throws {
    #expect(try settings(["--import=2222"]).configuration.security == .preferred)
    #expect(try settings(["--import=2222", "--secure=require"]).configuration.security == .required)
    try withConfiguration("secure = require") { file in
      let configuration = try settings(["--stdio", "--config", file]).configuration
      #expect(configuration.security == .required)
    }
    for words in [["--import=2222", "--secure=maybe"], ["--exec-command=true", "--secure=require"]] {
      #expect(throws: CommandFailure.self) { _ = try settings(words) }
    }
  }

  @Test func onlyServicesAreStreams() throws {
    #expect(try settings(["--stdio"]).configuration.purpose == .streams)
    #expect(try settings(["--exec-command=true"]).configuration.purpose == .datagrams)
  }

  @Test(arguments: [
    ["--export=127.0.0.1:22", "--import=2222"], ["--stdio", "--exec-command=true"], ["--export=nowhere"],
    ["--import=70000"], ["--stdio", "--accept"], [],
  ])
  func whatMakesNoSenseIsToldInOneSentence(words: [String]) throws {
    #expect(throws: CommandFailure.self) { _ = try settings(words) }
  }

  @Test func thePeerOfSSHIsTheFirstThatIsNoOptionsValue() throws {
    let (options, peer, rest) = try SSHCommand.split([
      "--app-repo", "folder@x/with/slash", "--config=file", "bob@b.example/lab", "-v", "uptime",
    ])
    #expect(options == ["--app-repo", "folder@x/with/slash", "--config=file"])
    #expect(peer.description == "bob@b.example/lab")
    #expect(rest == ["-v", "uptime"])
    #expect(SSHCommand.alias(of: peer) == "plexus-bob_b.example_lab")
    #expect(throws: CommandFailure.self) { _ = try SSHCommand.split(["--config", "file"]) }
  }

  @Test(
    arguments: [
      (["--export=a=127.0.0.1:1", "--export=a=127.0.0.1:2"], "same name"),
      (["--export=127.0.0.1:1", "--export=127.0.0.1:2"], "without a name"),
      (["--import=2222=a", "--import=127.0.0.1:2222=b"], "same port"),
      (["--export=127.0.0.1:1", "--exec-args=x"], "--exec-args"), (["--stdio", "--exec-log=x"], "--exec-log"),
    ])
  func servicesThatConflictAreRefused(words: [String], problem: String) {
    #expect {
      try settings(words)
    } throws: { error in
      (error as? CommandFailure)?.status == .usage && "\(error)".contains(problem)
    }
  }

  @Test func servicesThatDifferAreTaken() throws {
    let pairs = [
      ["--export=127.0.0.1:1", "--export=127.0.0.1:1/udp"], ["--import=0=a", "--import=0=b"],
      ["--import=127.0.0.1:2222", "--import=[::1]:2222"], ["--import=2222=a", "--import=2222=a/udp"],
    ]
    for words in pairs { _ = try settings(words) }
    try withConfiguration("exec-command = true\nexec-args = x") { file in
      guard case .importing = try settings(["--import=2222", "--config", file]).work else {
        throw CommandFailure(.usage, "not importing")
      }
    }
  }

  @Test func theLogNamesThePortThatWasFound() throws {
    let free = try #require(ImportedService("0=ssh"))
    #expect(free.listening(on: 34567).description == "127.0.0.1:34567=ssh")
    let fixed = try #require(ImportedService("localhost:2222"))
    #expect(fixed.listening(on: 2222).description == "localhost:2222")
  }

  @Test(
    arguments: [
      (["--confg", "file", "bob@b.example/lab"], "--confg"), (["bob/b.example/lab"], "OWNER/PIN"),
      (["--config", "file", "bob"], "OWNER/PIN"), (["-v", "bob@b.example/lab"], "-v"),
      (["--config"], "--config has no value"), (["--config", "file"], "no peer is named"), ([], "no peer is named"),
    ])
  func whatKeepsSSHFromItsPeerIsNamed(words: [String], problem: String) {
    #expect { try SSHCommand.split(words) } throws: { "\($0)".contains(problem) }
  }
}
