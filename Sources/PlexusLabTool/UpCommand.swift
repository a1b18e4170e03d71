import ArgumentParser
import LibC
import PlexusTesting

/// Holds a lab up for trying things by hand.
struct UpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Build a lab and keep it until Ctrl-C.",
    discussion: "Example: plexus-lab up port-restricted symmetric")

  @Argument(help: "A NAT kind for each site.")
  var nats: [Lab.NATKind] = [.portRestricted, .portRestricted]

  @Flag(help: "Give every node a routed IPv6 address too.")
  var ipv6 = false

  @Flag(inversion: .prefixedNo, help: "Run the STUN servers and the DHT node of the public side.")
  var servers = true

  func run() async throws {
    try requireLab()
    try await withLab(sites: nats.map { Lab.Site(nat: $0) }, servers: servers, ipv6: ipv6) { lab in
      if servers {
        print("STUN server \(lab.stunServer), without RFC 5780 \(lab.plainSTUNServers.joined(separator: " and ")),")
        print("silent \(lab.deadServer); DHT bootstrap \(lab.bootstrap)")
      } else {
        print("the public host is \(lab.serverAddresses.joined(separator: " and ")); enter it by:")
        print("  ip netns exec \(lab.server.namespace) bash")
      }
      for index in 0..<lab.hostCount {
        let host = lab.host(index)
        print("host \(index) is \(host.address), behind a NAT that is \(nats[index]); enter it by:")
        print("  ip netns exec \(host.namespace) bash")
      }
      print("Ctrl-C takes it away.")
      fflush(nil)
      // The lab goes with this process, so there is nothing to do but to stay.
      while true { try await Task.sleep(for: .seconds(3600)) }
    }
  }
}
