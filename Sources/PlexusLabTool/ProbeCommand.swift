import ArgumentParser
import DatagramSockets
import Datagrams
import FoundationEssentials
import HolePunching
import STUN

/// Runs one core on a real socket and prints what came out as one line of JSON: for tests inside a lab's host.
struct ProbeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe", abstract: "Run one step of a passage and print its outcome as JSON.", shouldDisplay: false,
    subcommands: [Explore.self, Map.self, Punch.self])

  struct Explore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Explore the network.")

    @Option(transform: endpoint) var local = Endpoint.any(.v4)
    @Argument(transform: endpoint) var servers: [Endpoint]

    func run() async throws {
      try printJSON(await STUNClient.explore(servers: servers.map(STUNServer.init(endpoint:)), local: local))
    }
  }

  struct Map: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Learn the public endpoint of a local port.")

    @Option(transform: endpoint) var local: Endpoint
    @Argument(transform: endpoint) var servers: [Endpoint]

    func run() async throws {
      let servers = servers.map(STUNServer.init(endpoint:))
      let report = try await withSocket(local) { try await STUNClient.discoverMapping(on: $0, servers: servers) }
      try printJSON(["public": report.publicEndpoint.description, "mapping": report.mapping.rawValue])
    }
  }

  struct Punch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Punch a hole from a local port.")

    @Option(transform: endpoint) var local: Endpoint
    @Option(transform: endpoint) var peer: Endpoint
    @Option var role: PunchRole
    @Option var secret: UInt64
    @Option(help: "Seconds.") var timeout: Int

    func run() async throws {
      var configuration = PunchConfiguration()
      configuration.timeout = .seconds(timeout)
      let outcome: String
      do {
        _ = try await withSocket(local) { [configuration, role, secret, peer] in
          try await punch(on: $0, as: role, secret: secret, peer: peer, configuration: configuration)
        }
        outcome = "passage"
      } catch let failure as PunchFailure {
        outcome = failure.code.rawValue
      }
      try printJSON(["outcome": outcome])
    }
  }
}

extension PunchRole: ExpressibleByArgument {}

private func withSocket<Value>(_ local: Endpoint, _ body: (UDPSocket) async throws -> Value) async throws -> Value {
  let socket = try await UDPSocket.bind(to: local)
  let result: Result<Value, any Error>
  do { result = .success(try await body(socket)) } catch { result = .failure(error) }
  await socket.close()
  return try result.get()
}

private func printJSON(_ value: some Encodable) throws {
  print(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
}
