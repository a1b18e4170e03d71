/// What looking for a path may be told; the defaults suit every network we know of.
public struct PathConfiguration: Hashable, Sendable {
  /// When to give up.
  public var timeout: Duration = .seconds(60)

  /// Hop limit (IPv4 TTL) of datagrams that shall open the own NAT and not reach the peer's, 1 to 255; see ``PunchConfiguration/lowHopLimit``.
  public var lowHopLimit: UInt8 = 7

  /// How long the acceptor's checks to public addresses all have the low hop limit, unless it hears its peer: the time in which the
  /// answer reaches the inviter; see ``PunchConfiguration/lowHopLimitPeriod``. Where that is longer than 5 s, as it may be with mail, guesses are
  /// spread over a minute.
  public var lowHopLimitPeriod: Duration = .seconds(3)

  /// How many datagrams are sent at most to find ports that a symmetric NAT does not tell. 1,750 against 256 open ports miss in one case of a thousand; the rest is
  /// for peers that start late. 0 looks with ordinary checks only.
  public var maximumAssistance = 2400

  /// The defaults.
  public init() {}

  /// Whether the acceptor begins long before the inviter can: then it saves its guesses.
  var isAnswerSlow: Bool { lowHopLimitPeriod > .seconds(5) }
}

/// The timing of the checks, and why.
enum PathTiming {
  /// Ta, the time between two ordinary checks: the least that RFC 8445 14.2 allows. Twelve pairs, as two hosts with IPv4 and IPv6 have
  /// them, are then all tried within 60 ms, at 25 kB a second.
  static let pace: Duration = .milliseconds(5)
  /// So many go at once in the beginning, less than what TCP sends into an unknown path (RFC 6928): on fast paths they are all.
  static let burst = 8
  /// The first repeat of a check comes when an answer from the same country would be overdue.
  static let firstGap: Duration = .milliseconds(50)
  /// Later ones end up so far apart, where the peer may not have started yet.
  static let longestGap: Duration = .milliseconds(500)
  /// How long a better path is waited for once one works: two and a half of its round trips, for whoever is nearer answers sooner, and was
  /// asked before; not longer than a repeat after a loss takes.
  static func grace(roundTrip: Duration) -> Duration { min(max(roundTrip * 2.5, .milliseconds(5)), .milliseconds(100)) }

  /// Repeats of the inviter's choice: each 50 to 200 ms.
  static let longestNominationGap: Duration = .milliseconds(200)
  /// Beside two round trips: after that another path is chosen. Eight nominations in a row are lost in one case of 6500 if a third is.
  static let nominationPatience: Duration = .milliseconds(1500)
  /// An acceptor that has taken a path and then hears nothing of its peer for so long takes it that the peer has begun: one that had not
  /// would have sent fifteen nominations, on this path or another.
  static let silence: Duration = .seconds(3)
  /// The inviter's last word, until it is acknowledged.
  static let beginRepeats = 6
  /// The acceptor's, sent at once because the socket may change hands the next moment.
  static let acknowledgements = 3

  /// Assistance starts when the ordinary checks had their chance: two of each, and a round trip.
  static let assistanceDelay: Duration = .milliseconds(300)
  /// It rests for so long after the peer's first datagram, in which what that came by proves to be a path even if checks get lost.
  static let assistancePause: Duration = .milliseconds(1500)
  /// Guesses go at 175 a second, so that ordinary checks and answers fit below the limit of 200; see ``SendBudget``.
  static let guessInterval: Duration = .microseconds(5715)
  /// How many go at that rate: the 1,750 that published practice takes, within 10 s.
  static let fastGuesses = 1800
  /// What comes then, for a peer that starts late, goes at 30 a second.
  static let slowGuessInterval: Duration = .milliseconds(33)
  /// Where the answer may take its time, a rate that lasts: 3,600 in a minute, so that wherever in its first half the peer begins, 1,750 are left.
  static let patientGuessInterval: Duration = .milliseconds(16)
  /// How many these are.
  static let patientGuesses = 3600
  /// How often each of many sockets is used again. Some NATs forget after 20 s.
  static let refreshInterval: Duration = .seconds(12)

  /// What is tried where NATs leave no way between public endpoints: other addresses answer within a few repeats, or not at all.
  static let remainderTimeout: Duration = .seconds(3)
}
