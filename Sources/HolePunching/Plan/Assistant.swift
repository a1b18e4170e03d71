import Datagrams

/// Carries out the plan for symmetric NATs, datagram by datagram.
struct Assistant: Sendable {
  struct Shot {
    /// The index among the sockets opened for this, or nil for the socket whose public endpoint the peer knows.
    let socket: Int?
    let destination: Endpoint
    let hopLimit: UInt8?
  }

  private let assistance: PathPlan.Assistance
  private var guesses: PortGuesses?
  private let lowHopLimit: UInt8
  private let bound: Int
  /// Whether the peer may start late.
  private let isPatient: Bool
  /// Until when nothing may get as far as the peer's NAT, because the peer has not begun.
  private let lowUntil: Instant
  /// When the next datagram is due; nil when there is nothing (more) to do.
  private(set) var next: Instant?
  /// Whether the ordinary checks had their chance: its sockets are opened then, and not before.
  private(set) var hasStarted = false
  /// How many were sent.
  private(set) var count = 0
  /// Whether no more sockets are to be had.
  var areComplete = false
  private var turns = 0
  /// A datagram that was due when too many were.
  private var postponed: Shot?

  /// - Parameter isLate: whether the peer begins long after this side.
  init(_ plan: PathPlan, configuration: PathConfiguration, isLate: Bool, start: Instant) {
    assistance = plan.assistance
    lowHopLimit = configuration.lowHopLimit
    lowUntil = isLate ? start.advanced(by: configuration.lowHopLimitPeriod) : start
    isPatient = isLate && plan.isSpraying && configuration.maximumAssistance > 0
    bound =
      isPatient ? max(configuration.maximumAssistance, PathTiming.patientGuesses) : configuration.maximumAssistance
    switch plan.assistance {
    case _ where configuration.maximumAssistance <= 0: next = nil
    case .none: next = nil
    case .open, .mirror: next = start
    case .spray(_, let guesses):
      next = start
      self.guesses = guesses
    }
  }

  /// How many sockets of its own it needs.
  var sockets: Int {
    switch assistance {
    case .none, .spray: 0
    case .open(let sockets, _), .mirror(let sockets, _, _, _, _): sockets
    }
  }

  /// Nothing more is to be done.
  mutating func stop() { next = nil }

  /// The peer was heard, and what it was heard on may become a path: further datagrams could only do harm to that.
  mutating func pause(until time: Instant) { next = next.map { max($0, time) } }

  /// The datagram could not go now; it is the next one that is due.
  mutating func postpone(_ shot: Shot, now: Instant) {
    postponed = shot
    count -= 1
    next = now.advanced(by: PathTiming.guessInterval)
  }

  /// The datagram that is due.
  ///
  /// - Parameter available: how many of its ``sockets`` are open.
  mutating func takeDue(available: Int, now: Instant) -> Shot? {
    guard let due = next, due <= now else { return nil }
    hasStarted = true
    if let postponed {
      self.postponed = nil
      count += 1
      next = now.advanced(by: PathTiming.guessInterval)
      return postponed
    }
    guard count < bound else {
      next = nil
      return nil
    }
    let shot: Shot?
    switch assistance {
    case .none: shot = nil
    case .spray(let addresses, _):
      next = now.advanced(by: guessInterval)
      shot = guesses.map { _ in
        Shot(
          socket: nil, destination: Endpoint(address: addresses[count % addresses.count], port: nextGuess()),
          hopLimit: nil)
      }
    case .open(let sockets, let targets):
      shot = turn(sockets, available, isSearched: true, now: now) {
        Shot(socket: $0, destination: targets[$1 % targets.count], hopLimit: $2)
      }
    case .mirror(let sockets, let address, let first, let step, let spread):
      shot = turn(sockets, available, isSearched: false, now: now) { socket, _, hopLimit in
        let port = PortGuesses.port(first, step: step, steps: 1 + socket + socket % spread)
        return Shot(socket: socket, destination: Endpoint(address: address, port: port), hopLimit: hopLimit)
      }
    }
    if shot != nil { count += 1 }
    return shot
  }

  private var guessInterval: Duration {
    if isPatient { return PathTiming.patientGuessInterval }
    return count < PathTiming.fastGuesses ? PathTiming.guessInterval : PathTiming.slowGuessInterval
  }

  private mutating func nextGuess() -> UInt16 {
    guard var guesses else { return 1024 }
    defer { self.guesses = guesses }
    return guesses.next()
  }

  /// One socket after another, at first quickly and with a low hop limit, then again and again to keep their mappings, in turn with
  /// and without it: a second NAT may be further out.
  ///
  /// - Parameter isSearched: whether the peer looks for the ports. It finds most of them during the second round, which therefore is low too: some NATs
  ///   drop a mapping on a datagram from another port. Where both aim, datagrams have to arrive.
  private mutating func turn(
    _ sockets: Int, _ available: Int, isSearched: Bool, now: Instant, _ make: (Int, Int, UInt8?) -> Shot
  ) -> Shot? {
    let (round, socket) = turns.quotientAndRemainder(dividingBy: sockets)
    next = now.advanced(by: round == 0 ? PathTiming.guessInterval : PathTiming.refreshInterval / sockets)
    guard socket < available else {
      // It is being opened; or the system gives no more, and the round is over.
      if areComplete { turns += sockets - socket }
      return nil
    }
    turns += 1
    let isLow = isSearched ? round == 0 || !round.isMultiple(of: 2) || now < lowUntil : round.isMultiple(of: 2)
    return make(socket, round + socket, isLow ? lowHopLimit : nil)
  }
}
