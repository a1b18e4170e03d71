import Plexus

/// The smallest program: `hello STUN-SERVER` waits for peers, `hello STUN-SERVER OWNER/PIN` greets one.
@main struct Hello {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    do { try await run(stun: arguments.first ?? "", peer: arguments.dropFirst().first) } catch { print(error) }
  }

  static func run(stun: String, peer: String?) async throws {
    let plexus = try Plexus(
      repository: ApplicationRepository(path: "identities"), host: nil,
      configuration: PlexusConfiguration(
        application: "hello", stunServers: [HostAndPort(host: stun, port: nil)]),
      logger: Logger(label: "hello"))
    if let peer {
      let stream = try await plexus.invite(IdentityName(peer)).openStream()
      try await stream.write("hello from \(plexus.host)\n")
      await stream.close()
    } else {
      for try await passage in plexus.accept() {
        let stream = try await passage.openStream()
        for try await bytes in stream { print(String(buffer: bytes), terminator: "") }
        await stream.close()
      }
    }
  }
}
