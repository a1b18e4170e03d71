import Datagrams
import NIOCore

/// One end of a tubus connection, without I/O: it is told what came in and what time it is, and asked what to send and when to wake up.
///
/// Time and randomness are arguments. Nothing that the peer sends traps, and what it can make this hold is bounded by what
/// was granted to it, see ``ReceiveBuffer``, and by ``receiveAllowance``.
public struct TubusConnection {
  /// Who begins.
  public enum Role: Hashable, Sendable {
    /// Begins.
    case connector
    /// Waits for the other.
    case acceptor
  }

  enum Phase: Equatable {
    /// The connector asks until it is answered.
    case linking(until: Instant)
    case linked
    /// We want to close as soon as everything has arrived. `lingerUntil` is set once it has.
    case flushing(lingerUntil: Instant?)
    case tearing(until: Instant, TubusEnding)
    /// The peer tore; it may not have heard that we know.
    case torn(until: Instant)
    case finished
  }

  let configuration: TubusConfiguration
  let role: Role
  let obscuring: Obscuring?
  /// Our number of the connection.
  public let pin: UInt32
  /// The peer's number; 0 before it is known.
  public internal(set) var peerPin: UInt32 = 0
  var phase: Phase
  var random: SplitMix
  var events: [TubusEvent] = []

  // Sending.
  var sendBuffer = SendBuffer()
  var nextOffset: UInt64 = 0
  var peerEdge: UInt64 = 0
  var firstPeerEdge: UInt64 = 0
  var flight = FlightLog()
  /// How far the stream had got when the connection ended.
  var endOffsets: (sent: UInt64, acknowledged: UInt64)?
  var delivery: DeliveryRate
  var congestion: any CongestionController
  var pacer: Pacer
  var rtt = RTTEstimator()
  var mtu: PathMTU
  var probeCount = 0
  var probesDue = 0
  var isPacingBlocked = false

  // Receiving.
  var receiveBuffer = ReceiveBuffer()
  var receiveWindow: ReceiveWindow
  var echoes = EchoQueue()
  /// Bytes that this connection may still buffer, whatever was granted: how one endpoint keeps all its connections
  /// within one bound. Moves beyond are dropped as if lost.
  public var receiveAllowance = Int.max

  // What is to be said, and when.
  var isLinkDue = false
  var isLinkEchoDue = false
  var isPeerLinked = false
  var isTearDue = false
  var isTearEchoDue = false
  var nextRepeat: Instant?
  var edgeRepeat: Instant?
  var edgeAttempts = 0
  var edgeSentAt: Instant
  var edgeEcho: UInt64?
  var pingEchoes: [UInt64] = []
  var pings = Pings()
  var isPingDue = false
  /// Whether the echo of our edge proves that the peer receives what we send to its address.
  var isEdgeProof = true
  /// An acceptor lets go of a peer that has not shown by then that it is where it says.
  var provenBy: Instant
  var lastHeard: Instant
  var lastSent: Instant
  var counters = TubusStatistics()

  /// Begins a connection. A connector links at once; an acceptor is made when a link came, and is then given that datagram.
  ///
  /// - Parameter seed: randomness for pin, pings and salts; from the system's generator, except in tests.
  public init(role: Role, configuration: TubusConfiguration, seed: UInt64, now: Instant) {
    self.configuration = configuration
    self.role = role
    random = SplitMix(seed: seed)
    obscuring = Obscuring(secret: configuration.secret)
    pin = UInt32(truncatingIfNeeded: random.next()) | 1
    let size = min(max(configuration.maximumDatagramSize, PathMTU.floor), DatagramBatch.maximumBytes)
    mtu = PathMTU(maximum: size)
    pacer = Pacer(now: now, datagramSize: size)
    delivery = DeliveryRate(now: now)
    congestion = configuration.makeCongestionController(datagramSize: size, now: now, seed: random.next())
    // Sixteen random bits: whoever echoes this edge has received it, so its address is no forgery.
    receiveWindow = ReceiveWindow(
      initial: configuration.initialReceiveWindow + Int(random.next() & 0xFFFF),
      maximum: configuration.maximumReceiveWindow)
    pings = Pings(base: random.next())
    (lastHeard, lastSent, edgeSentAt) = (now, now, now)
    provenBy = now.advanced(by: configuration.linkTimeout)
    phase = .linking(until: now.advanced(by: configuration.linkTimeout))
    isLinkDue = role == .connector
    edgeRepeat = now
  }

  /// The next thing to tell the application.
  public mutating func pollEvent() -> TubusEvent? { events.isEmpty ? nil : events.removeFirst() }

  /// Whether nothing is left to do: the connection can be let go of.
  public var isFinished: Bool { phase == .finished }

  /// Whether data may flow.
  public var isLinked: Bool {
    switch phase {
    case .linked, .flushing: true
    case .linking, .tearing, .torn, .finished: false
    }
  }

  /// Whether the peer has proved that it receives what we send to its address.
  public internal(set) var isPeerProven = false

  // MARK: The stream

  /// Takes bytes to send. They are kept, not copied, until they are acknowledged. After ``close(now:)`` there is nothing more to write.
  public mutating func write(_ bytes: ByteBuffer) {
    guard phase == .linked || phase.isLinking else { return }
    sendBuffer.append(bytes)
  }

  /// Bytes written and not yet sent for the first time. Stop writing above ``TubusConfiguration/maximumUnsent``.
  public var unsentBytes: Int { Int(sendBuffer.end - nextOffset) }

  /// The offset below which everything written has been acknowledged, also after the end.
  public var acknowledgedOffset: UInt64 { endOffsets?.acknowledged ?? flight.firstUnacknowledged ?? nextOffset }

  /// The offset below which everything written has been sent at least once.
  public var sentOffset: UInt64 { endOffsets?.sent ?? nextOffset }

  /// The offset behind everything written.
  public var writtenOffset: UInt64 { sendBuffer.end }

  /// The next piece of the peer's stream; nil where there is none yet.
  public mutating func read(now: Instant) -> ByteBuffer? {
    guard let bytes = receiveBuffer.read() else { return nil }
    receiveWindow.consume(bytes.readableBytes, now: now, roundTrip: rtt.isKnown ? rtt.smoothed : .second)
    grantEdge(now: now)
    return bytes
  }

  /// Bytes that can be read.
  public var readableBytes: Int { receiveBuffer.readableBytes }

  /// Bytes that are held for the application and beyond gaps.
  public var bufferedBytes: Int { receiveBuffer.readableBytes + receiveBuffer.waitingBytes }

  // MARK: The end

  /// Closes once all that was written has arrived. Ends without that only when the peer falls silent.
  public mutating func close(now: Instant) {
    switch phase {
    case .linking:
      finish(.aborted)
    case .linked:
      phase = .flushing(lingerUntil: nil)
      closeIfFlushed(now: now)
    case .flushing, .tearing, .torn, .finished: break
    }
  }

  /// Ends the connection now; what is under way may be lost.
  ///
  /// - Parameter isPeerGone: whether nobody is there to be told. Otherwise the end is known once the peer has said that it heard, at the latest
  ///   after ``TubusConfiguration/tearTimeout``.
  public mutating func abort(isPeerGone: Bool = false, now: Instant) {
    switch phase {
    case .linking: finish(.aborted)
    case .linked, .flushing: if isPeerGone { finish(.aborted) } else { tear(.aborted, now: now) }
    case .tearing, .torn, .finished: break
    }
  }

  /// The counters as they are.
  public var statistics: TubusStatistics {
    var counters = counters
    counters.isOpen = isLinked
    counters.bytesWritten = writtenOffset
    counters.bytesDelivered = delivery.delivered
    counters.bytesReceived = receiveBuffer.frontier
    counters.roundTrip = rtt.isKnown ? rtt.smoothed : 0
    counters.minimumRoundTrip = rtt.minimum
    counters.window = congestion.window
    counters.bytesInFlight = flight.bytesInFlight
    counters.pacingRate = congestion.pacingRate
    counters.datagramSize = mtu.size
    counters.lastHeard = lastHeard
    return counters
  }

  /// Another connection of the peer has taken this one's place.
  public mutating func replace() { if phase != .finished { finish(.replaced) } }
}

extension TubusConnection.Phase {
  var isLinking: Bool { if case .linking = self { true } else { false } }
}
