import Datagrams
import STUN

extension SimulatedServer {
  /// A STUN server: the real core of ours on some endpoints.
  public static func stun(on endpoints: [Endpoint]) -> SimulatedServer {
    SimulatedServer(respond: stunResponder(on: endpoints))
  }

  /// What such a server answers, for servers that do something else besides.
  public static func stunResponder(on endpoints: [Endpoint]) -> Respond {
    var core = STUNServerCore(endpoints: endpoints, now: .zero)
    return { datagram, socket, now in
      guard let index = endpoints.firstIndex(of: socket), let answer = core.receive(datagram, on: index, now: now)
      else { return [] }
      return [(answer.transmit, endpoints[answer.socket])]
    }
  }
}

/// The STUN servers that somebody asks, by what they can tell.
public enum STUNServerSet: String, Hashable, Sendable, CaseIterable {
  /// One of RFC 5780, with two addresses and two ports.
  case twoAddresses = "RFC 5780"
  /// A silent one, and then one of RFC 5780.
  case deadAndTwoAddresses = "dead, RFC 5780"
  /// One that answers from where it was asked only.
  case plain = "plain"
  /// Two of these on different addresses.
  case twoPlain = "plain, plain"
  /// A silent one before these two.
  case deadAndTwoPlain = "dead, plain, plain"
  /// One of RFC 5780 on one address, which can change its port only.
  case twoPorts = "two ports"

  /// The endpoints of each server; the first of each is the one to ask.
  public var endpoints: [[Endpoint]] {
    let two = Self.endpoints([1, 2], ports: [3478, 3479])
    let plain = [Self.endpoints([3], ports: [3478]), Self.endpoints([4], ports: [3478])]
    let dead = Self.endpoints([9], ports: [3478])
    return switch self {
    case .twoAddresses: [two]
    case .deadAndTwoAddresses: [dead, two]
    case .plain: [plain[0]]
    case .twoPlain: plain
    case .deadAndTwoPlain: [dead] + plain
    case .twoPorts: [Self.endpoints([5], ports: [3478, 3479])]
    }
  }

  /// The servers to ask, in this order.
  public var servers: [STUNServer] { endpoints.compactMap { $0.first.map(STUNServer.init(endpoint:)) } }

  /// Whether they can tell a symmetric NAT from others; two ports of one address see only that of one kind.
  var canTellMapping: Bool {
    switch self {
    case .twoAddresses, .deadAndTwoAddresses, .twoPlain, .deadAndTwoPlain: true
    case .plain, .twoPorts: false
    }
  }

  /// Puts those that live on a network.
  public func install(in network: SimulatedNetwork) {
    let isDeadFirst = self == .deadAndTwoAddresses || self == .deadAndTwoPlain
    for endpoints in endpoints.dropFirst(isDeadFirst ? 1 : 0) {
      network.add(SimulatedServer.stun(on: endpoints), sockets: Set(endpoints))
    }
  }

  private static func endpoints(_ hosts: [UInt32], ports: [UInt16]) -> [Endpoint] {
    hosts.flatMap { host in ports.map { Endpoint(address: .v4(0xC633_6400 + host), port: $0) } }
  }
}
