/// Which side of the rendezvous a puncher is on.
public enum PunchRole: String, Hashable, Sendable {
  /// Was invited, and starts first: its low-hop-limit probes open its NAT before the inviter knows where to send.
  case accepting
  /// Invited, and sends probes until it is answered.
  case inviting
}

/// What a punch may be told; the defaults suit every network we know of.
public struct PunchConfiguration: Hashable, Sendable {
  /// When to give up. The reference's default, 60 s.
  public var timeout: Duration = .seconds(60)

  /// Hop limit (IPv4 TTL) of the acceptor's first probes, 1 to 255: enough to get out of the own NAT, too few to reach
  /// the peer's. 7 is what the reference uses.
  public var lowHopLimit: UInt8 = 7

  /// How long the acceptor sends nothing but low-hop-limit probes, unless it hears its peer. Some NATs change or drop a
  /// mapping on a datagram that comes before the host behind them has sent one, so this must outlast the delivery of
  /// the acceptor's answer to the inviter. 3 s is enough for the DHT; a rendezvous by email needs more.
  public var lowHopLimitPeriod: Duration = .seconds(3)

  /// How long the acceptor sends nothing at all before it hears its peer: for a port that the own router forwards, where the inviter comes in without an
  /// opening. Behind a symmetric NAT an opening would even keep it out: it makes a flow between this port and the peer's endpoint, and Linux then shows
  /// what comes in by the forwarding, from the same endpoint, under another source port.
  public var openingDelay: Duration = .zero

  /// The defaults.
  public init() {}
}

/// The timing of the handshake, and why.
enum PunchTiming {
  /// The first repeat comes when an answer from the same country would be overdue.
  static let firstGap: Duration = .milliseconds(30)
  /// Probes end up twice a second: thrice what the reference asks for, so that one loss costs little, at less
  /// than 1 kbit/s.
  static let longestGap: Duration = .milliseconds(500)
  /// Low-hop-limit probes only keep the own NAT open, which forgets in 30 s at the soonest.
  static let longestOpeningGap: Duration = .seconds(1)

  /// Repeats of an answer nobody reacts to: seven in all within 1.9 s, of which the inviter misses all
  /// once in 2000 times when a third is lost. Not more, because a payload may already own the port.
  static let answerRepeats = 6
  static let longestAnswerGap: Duration = .milliseconds(960)
  /// How long after a probe the acceptor takes silence as "the inviter has my answer, and its last word was lost". A
  /// reference inviter that had no answer sends four probes in that time: with a third lost each way all four and
  /// all seven answers are lost in 1 of 177,000 cases.
  static let silence: Duration = .milliseconds(4 * 1600 + 200)  // The reference probes every 1.6 s.
  /// An inviter that still probes this long after our first answer does not hear us, and its silence then means that it
  /// gave up: no success without its last word. One that hears anything at all was answered dozens of times.
  static let oneWayPeriod: Duration = .seconds(10)

  /// The inviter's last word to a peer that acknowledges it: until the acknowledgement, at most 6 in 0.6 s. When
  /// all are lost, once in 700 cases when a third is, the acceptor still concludes from the silence.
  static let acknowledgedRepeats = 5
  static let longestAcknowledgedGap: Duration = .milliseconds(200)
  /// The inviter's last word to a peer that never acknowledges: 8 in 0.5 s, all lost in 1 of 6500 cases when a third is.
  static let unacknowledgedRepeats = 7
  static let longestUnacknowledgedGap: Duration = .milliseconds(80)
  /// Acknowledgements of the inviter's last word, sent at once because the socket may be closed the next moment. When
  /// all are lost the inviter is merely slower.
  static let acknowledgements = 3

  /// Sending that keeps failing this long is not a hiccup of the network, such as a change of the access point.
  static let sendFailurePatience: Duration = .seconds(5)
}
