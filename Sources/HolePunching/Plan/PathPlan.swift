import Datagrams

/// What is done beside the ordinary checks, because a NAT does not show the port that the peer would need.
///
/// Both sides derive it from the same two offers, so their halves fit together.
struct PathPlan: Sendable {
  enum Assistance: Sendable {
    /// The ordinary checks are all there is to do.
    case none
    /// The own ports cannot be told: open many, each towards the peer's endpoint, for it to find one of them.
    case open(sockets: Int, towards: [Endpoint])
    /// The peer's ports cannot be told: send to many of them from one socket.
    case spray(addresses: [IPAddress], guesses: PortGuesses)
    /// Neither can be told, and both NATs count: each socket sends to the port that the peer's socket of the same turn should get.
    case mirror(sockets: Int, address: IPAddress, first: Int, step: Int, spread: Int)
  }

  let assistance: Assistance
  /// Both NATs are symmetric, and no rule tells the ports of both: only addresses of other kinds are left.
  let isHopeless: Bool
  /// Both are behind one NAT. Whether that lets them reach each other shows at once.
  let isBehindOneNAT: Bool

  var isWithoutAssistance: Bool { if case .none = assistance { true } else { false } }

  /// Whether public endpoints lead nowhere, or do at once, so that it makes no sense to try for long.
  var isQuicklyDecided: Bool { isHopeless || isBehindOneNAT && isWithoutAssistance }

  var isSpraying: Bool { if case .spray = assistance { true } else { false } }

  /// Published practice, for ports without a rule: each probe then hits with a chance of 256 in 64,512, and half of all attempts
  /// have one within 175 probes, 99.9 % within 1,750.
  static let randomSockets = 256
  /// A run of ports in which a walk with strides of 16 steps four times.
  static let sequentialSockets = 64
  /// Sockets for two NATs that count, and how far the two counters may have moved on meanwhile, both together.
  static let mirrorSockets = 192
  static let mirrorSpread = 96

  init(role: PunchRole, own: PunchOffer, peer: PunchOffer, seed: UInt64) {
    let targets = peer.searchEndpoints
    let addresses = targets.map(\.address).reduce(into: [IPAddress]()) { if !$0.contains($1) { $0.append($1) } }
    let opening = Assistance.open(
      sockets: own.traits.allocation.isRegular ? Self.sequentialSockets : Self.randomSockets,
      towards: Array(targets.prefix(2)))
    func spraying() -> Assistance {
      .spray(addresses: Array(addresses.prefix(2)), guesses: PortGuesses(peer.traits, start: seed))
    }
    isHopeless = Self.isHopeless(own.traits, peer.traits)
    isBehindOneNAT = own.sharesPublicAddress(with: peer)
    guard !addresses.isEmpty, !own.publicEndpoints.isEmpty else {
      assistance = .none
      return
    }
    assistance =
      switch (own.traits.isSymmetric, peer.traits.isSymmetric) {
      case (false, false): .none
      // Whoever lets in any port of an address needs no port to be told.
      case (true, false): peer.traits.admitsAnyPort ? .none : opening
      case (false, true): own.traits.admitsAnyPort ? .none : spraying()
      case (true, true):
        if own.traits.admitsAnyPort && (role == .inviting || !peer.traits.admitsAnyPort) {
          opening
        } else if peer.traits.admitsAnyPort {
          spraying()
        } else {
          Self.mirroring(role, own.traits, peer.traits, address: addresses[0])
        }
      }
  }

  private static func isHopeless(_ own: NATTraits, _ peer: NATTraits) -> Bool {
    own.isSymmetric && peer.isSymmetric && !own.admitsAnyPort && !peer.admitsAnyPort
      && !(own.allocation.isRegular && peer.allocation.isRegular)
      && !(own.allocation == .preserving && peer.allocation == .preserving)
  }

  private static func mirroring(
    _ role: PunchRole, _ own: NATTraits, _ peer: NATTraits, address: IPAddress
  ) -> Assistance {
    guard own.allocation.isRegular, case .sequential(let step) = peer.allocation, let last = peer.sampledPorts.last
    else { return .none }
    // Let own sockets start e ports later than the peer thinks, and the peer's f. Socket i of ours and j of the peer's meet where each aims at
    // the other's port: with distances d and d' in the aim, that is where d + d' = e + f. So one side aims without any distance, and
    // the other tries all.
    return .mirror(
      sockets: mirrorSockets, address: address, first: Int(last), step: step,
      spread: role == .accepting ? mirrorSpread : 1)
  }
}

extension PortAllocation {
  var isRegular: Bool { if case .sequential = self { true } else { false } }
}

extension PunchOffer {
  /// Whether a path to this peer may take thousands of datagrams, as behind symmetric NATs: such attempts go one at a time, see ``PathTurns``.
  public func takesManyDatagrams(with peer: PunchOffer) -> Bool {
    switch PathPlan(role: .inviting, own: self, peer: peer, seed: 0).assistance {
    case .none: false
    case .open, .spray, .mirror: true
    }
  }
}
