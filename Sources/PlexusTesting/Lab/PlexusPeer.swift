import FoundationEssentials

/// A `plexus` with an identity of its own on a ``Lab/Host``: what tests, the demonstration and the benchmark have in common.
public struct PlexusPeer: Sendable {
  /// Where it runs.
  public let host: Lab.Host
  /// Its identity, OWNER/PIN.
  public let identity: String
  /// Its application repository.
  public let repository: String
  /// The file where its payloads leave a line each; see ``passages``.
  public let passageFile: String

  private let bootstrap: String
  private var stunServers: [String]
  private var mail: MailServerSite?

  /// What `plexus --accept` says once it can be invited.
  public static let acceptingLine = "Joined the "

  /// Makes an identity `NAME@lab.example/PIN` with `plexus identity new`.
  ///
  /// - Parameters:
  ///   - name: The name, also of its folder on the host.
  ///   - host: Where it runs.
  ///   - lab: The lab of the host.
  ///   - stunServers: `address:port`; nil for the lab's server with RFC 5780.
  /// - Throws: ``LabError`` if there is no `plexus` or it cannot make an identity.
  public init(_ name: String, on host: Lab.Host, in lab: Lab, stunServers: [String]? = nil) async throws {
    self.host = host
    identity = "\(name)@lab.example/\(name)"
    repository = "\(host.directory)/\(name)"
    passageFile = "\(host.directory)/\(name).passages"
    bootstrap = host.hasIPv4 ? lab.bootstrap : lab.bootstrapV6
    self.stunServers = stunServers ?? [host.hasIPv4 ? lab.stunServer : lab.stunServerV6]
    try FileManager.default.createDirectory(
      atPath: repository, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    let result = try await host.run("plexus", "identity", "new", identity, "--app-repo", repository)
    guard result.exit == .exited(0) else {
      throw LabError(.setupFailed, "plexus could not make the identity \(identity): \(result.errors)")
    }
  }

  /// The same peer with other STUN servers, each `address:port`.
  public func using(stunServers: [String]) -> PlexusPeer {
    var peer = self
    peer.stunServers = stunServers
    return peer
  }

  /// The same peer, meeting others by email, over the account of its own address.
  public func using(mail: MailServerSite) -> PlexusPeer {
    var peer = self
    peer.mail = mail
    return peer
  }

  /// The address that its mail goes to.
  public var mailAddress: String { String(identity.prefix { $0 != "/" }) }

  /// Puts the certificate of `peer` into the own repository, and the own into that of `peer`.
  public func befriend(_ peer: PlexusPeer) throws {
    try Self.copyCertificate(of: self, to: peer)
    try Self.copyCertificate(of: peer, to: self)
  }

  /// The arguments of `plexus` that accepts `peer`, or everyone it knows.
  ///
  /// - Parameters:
  ///   - peer: Whose invitations to accept.
  ///   - payload: The program to start and its arguments as one text; nil for one that adds to ``passages``.
  public func accepting(_ peer: PlexusPeer? = nil, payload: (command: String, arguments: String)? = nil) -> [String] {
    ["--accept"] + (peer.map { ["--peer-info", $0.identity] } ?? []) + arguments(payload)
  }

  /// The arguments of `plexus` that invites `peer`; see ``accepting(_:payload:)``.
  public func inviting(_ peer: PlexusPeer, payload: (command: String, arguments: String)? = nil) -> [String] {
    ["--peer-info", peer.identity] + arguments(payload)
  }

  /// Runs `plexus --accept` while `body` runs, which begins as soon as it can be invited.
  ///
  /// - Parameters:
  ///   - peer: Whose invitations to accept; nil for everyone it knows.
  ///   - options: Further options of `plexus`.
  ///   - body: What to do meanwhile.
  @discardableResult
  public func withAcceptor<Value: Sendable>(
    of peer: PlexusPeer? = nil, options: [String] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (Lab.RunningProgram) async throws -> Value
  ) async throws -> Value {
    try await host.withProcess("plexus", arguments: accepting(peer) + options) { acceptor in
      try await acceptor.waitForLine(containing: Self.acceptingLine)
      return try await body(acceptor)
    }
  }

  private func arguments(_ payload: (command: String, arguments: String)?) -> [String] {
    let payload =
      payload ?? (
        "/bin/sh",
        "-c 'echo $(date +%s%N) $* >>\"$0\"' \(passageFile) %inner% %outer% %alien% "
          + "%secret% %peeremail%/%peerpin%"
      )
    return meeting + ["--exec-command", payload.command, "--exec-args", payload.arguments]
      + stunArguments
  }

  /// The arguments of `plexus` that tells what works.
  public var diagnosing: [String] {
    ["doctor"] + meeting.dropFirst(2) + stunArguments
  }

  /// The arguments that name its STUN servers.
  public var stunArguments: [String] { stunServers.flatMap { ["--stun-server", $0] } }

  /// The arguments of every `plexus` that meets others: who it is, and where.
  public var meeting: [String] {
    ["--app-id", "lab", "--app-repo", repository, "--host-info", identity] + meetingPlace
  }

  private var meetingPlace: [String] {
    guard let mail else { return ["--dht-bootstrap", bootstrap] }
    return [
      "--email-smtps", "\(mail.address):\(mail.ports.smtps)", "--email-imaps", "\(mail.address):\(mail.ports.imaps)",
      "--email-login", mailAddress, "--email-password", MailServerSite.password, "--email-ca", mail.authorityFile,
    ]
  }

  private static func copyCertificate(of peer: PlexusPeer, to other: PlexusPeer) throws {
    let folder = "\(other.repository)/\(peer.identity)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: "\(peer.repository)/\(peer.identity)/cert.crt", toPath: "\(folder)/cert.crt")
  }
}
