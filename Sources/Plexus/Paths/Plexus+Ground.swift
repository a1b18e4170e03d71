import DatagramSockets
import Datagrams
import HolePunching
import NIOCore
import PortMapping
import STUN

extension Plexus {
  /// Binds the sockets of one passage and learns where they can be reached. Beside the look at the NAT, which every passage takes, this costs
  /// no time; only behind a symmetric NAT it takes a further round trip, to see how it gives ports. Whether the router forwards the port is waited for by
  /// ``PassageGround/withForwardedPort()``.
  ///
  /// - Parameter eventLoop: where a stream lives that goes on over the passage; nil takes any.
  func prepareGround(on eventLoop: (any EventLoop)? = nil) async throws -> PassageGround {
    let main = try await bindSocket(on: eventLoop)
    // In parallel with STUN. Whatever comes of it, and whenever, ends with the socket.
    let lease = ports?.lease(for: main)
    var others: [PathSocket] = []
    do {
      guard configuration.ways == .all else {
        let mapping = try await publicMapping(of: main)
        return PassageGround(
          main: main, publicEndpoint: mapping.publicEndpoint, mapping: mapping, lease: lease, others: [], offer: nil)
      }
      let asked = usesAnyAddress ? await bindAskedSockets(on: eventLoop) : []
      others = asked
      if usesAnyAddress, let socket = try? await bindIPv6(on: eventLoop) { others.append(PathSocket(socket)) }
      let answers = try await askAll(main, asked)
      return try await ground(main, lease, others, answers, on: eventLoop)
    } catch {
      for other in others { await other.socket.close() }
      await main.close()
      guard error is STUNError, usesAnyAddress, configuration.ways == .all,
        let ground = try? await ipv6Ground(on: eventLoop)
      else { throw error }
      return ground
    }
  }

  /// Joins what is known of all sockets. Where the main one has no answer, that of another uplink takes its place.
  ///
  /// - Parameters:
  ///   - lease: what the router forwards to the main one.
  ///   - others: all beside the main one; those that are of no use are closed.
  private func ground(
    _ main: UDPSocket, _ lease: PortLease?, _ others: [PathSocket], _ answers: Answers, on eventLoop: (any EventLoop)?
  ) async throws -> PassageGround {
    var (main, lease, others, answered) = (main, lease, others, answers.others)
    let mapping: MappingReport
    if case .success(let report)? = answers.main {
      mapping = report
    } else if let uplink = answered.first(where: { $0.socket.purpose == .general }) {
      telemetry.tell(.mapped(uplink.mapping))
      mapping = uplink.mapping
      answered.removeAll { $0.socket.purpose == .quiet || $0.socket.socket === uplink.socket.socket }
      others.removeAll { $0.socket === uplink.socket.socket }
      // It leads nowhere now, and is what the hosts of the own network are reached by.
      others.append(PathSocket(main))
      (main, lease) = (uplink.socket.socket, nil)
    } else {
      // Nothing was answered; if that was not said, it was cut short by an uplink that has gone since.
      guard let failure = answers.main else { throw CancellationError() }
      mapping = try failure.get()
    }
    let isClean =
      mapping.mapping.isSymmetric != true
      && !LocalAddresses.reachable(.v4).contains(mapping.publicEndpoint.address)
    answered.removeAll { $0.socket.purpose == .quiet && (!isClean || $0.mapping.mapping.isSymmetric == true) }
    for (index, other) in others.enumerated().reversed()
    where other.socket.localEndpoint.address.family == .v4
      && !answered.contains(where: { $0.socket.socket === other.socket })
      && (other.purpose == .quiet || !other.socket.localEndpoint.address.isUnspecified)
    {
      await other.socket.close()
      others.remove(at: index)
    }
    let (traits, reserved) = try await traits(mapping, from: main, on: eventLoop)
    if let reserved { others.append(PathSocket(reserved, purpose: .reserved)) }
    return PassageGround(
      main: main, publicEndpoint: mapping.publicEndpoint, mapping: mapping, lease: lease, others: others,
      otherMappings: answered, offer: offer(main, mapping, others, answered, traits))
  }

  /// Whether the user left it open which address and port are used.
  private var usesAnyAddress: Bool { configuration.localEndpoint == .any(.v4) }

  /// A socket for the global and unique local IPv6 addresses of this host.
  ///
  /// - Throws: `UDPSocketError` where there is no IPv6.
  private func bindIPv6(on eventLoop: (any EventLoop)?) async throws -> UDPSocket? {
    guard !LocalAddresses.reachable(.v6).isEmpty else { return nil }
    return try await UDPSocket.bind(to: .any(.v6), on: eventLoop ?? configuration.eventLoops)
  }

  /// What there is on a network without IPv4: the own address is the public one.
  private func ipv6Ground(on eventLoop: (any EventLoop)?) async throws -> PassageGround? {
    guard let address = LocalAddresses.reachable(.v6).first(where: { $0.scope == .global }),
      let socket = try await bindIPv6(on: eventLoop)
    else { return nil }
    return PassageGround(
      main: socket, publicEndpoint: Endpoint(address: address, port: socket.localEndpoint.port), mapping: nil,
      lease: nil, others: [], offer: offer(socket, nil, [], [], NATTraits()))
  }

  private func offer(
    _ main: UDPSocket, _ mapping: MappingReport?, _ others: [PathSocket], _ answered: [AskedSocket], _ traits: NATTraits
  ) -> PunchOffer {
    var random = SystemRandomNumberGenerator()
    let general = [main] + others.filter { $0.purpose == .general }.map(\.socket)
    var candidates = general.flatMap { socket -> [Candidate] in
      let local = socket.localEndpoint
      let addresses = local.address.isUnspecified ? LocalAddresses.reachable(local.address.family) : [local.address]
      return addresses.map { Candidate(.host, Endpoint(address: $0, port: local.port)) }
    }
    if let mapping {
      candidates.append(Candidate(.serverReflexive, mapping.publicEndpoint))
      for other in others where other.purpose == .reserved {
        let endpoint = Endpoint(address: mapping.publicEndpoint.address, port: other.socket.localEndpoint.port)
        candidates.append(Candidate(.predicted, endpoint))
      }
    }
    for asked in answered {
      let kind: Candidate.Kind = asked.socket.purpose == .quiet ? .quiet : .serverReflexive
      candidates.append(Candidate(kind, asked.mapping.publicEndpoint))
    }
    return PunchOffer(candidates: candidates, traits: traits, keyShare: KeyShare(using: &random))
  }

  /// How many sockets show how a NAT gives ports: six random ones look like a rule in less than one case of a billion.
  static let portSamples = 6

  /// What is known of the NAT, and, where a symmetric one keeps ports, a socket that has sent nothing yet.
  private func traits(
    _ mapping: MappingReport, from main: UDPSocket, on eventLoop: (any EventLoop)?
  ) async throws -> (NATTraits, reserved: UDPSocket?) {
    var traits = NATTraits(mapping: mapping.mapping)
    guard traits.isSymmetric, let server = mapping.fastestServer else { return (traits, nil) }
    let seen = try await STUNClient.samplePorts(
      count: Self.portSamples, local: main.localEndpoint.address, server: server)
    let samples = seen.map { PortAllocation.Sample(local: $0.local, mapped: $0.mapped.port) }
    traits.allocation = PortAllocation(samples)
    traits.sampledPorts = samples.map(\.mapped)
    guard traits.allocation == .preserving, usesAnyAddress else { return (traits, nil) }
    return (
      traits,
      try? await UDPSocket.bind(
        to: Endpoint(address: main.localEndpoint.address, port: 0), on: eventLoop ?? configuration.eventLoops)
    )
  }
}
