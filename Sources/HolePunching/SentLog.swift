import Datagrams

/// The latest datagrams that we sent, by which echoes and reflections of them are known.
///
/// Seven bytes of a datagram are random to the reference. Ours split them into two nonces, the inviter's and the
/// acceptor's: a side fills its own with fresh random bits every time, and the other with the peer's bits of
/// the datagram it answers, or with random ones before it has heard any. A datagram that carries bits of ours
/// proves that the peer received them: chance hits one of 64 in 27 bits behind a right sum once in 500 million
/// strays. Each bit stays in its place, so that datagrams tell an eavesdropper nothing of the secret that
/// the reference's do not tell: neither its bits, nor whether a guess of it is right.
struct SentLog {
  struct Entry {
    let datagram: HandshakeDatagram
    let sentAt: Instant
  }

  /// Half a minute of repeats, and longer than any round trip when answering at the highest rate.
  private static let capacity = 64

  private var entries: [Entry] = []
  private var oldest = 0
  private let ownBits: UInt64

  init(role: PunchRole) { ownBits = role.nonceBits }

  mutating func append(_ datagram: HandshakeDatagram, now: Instant) {
    let entry = Entry(datagram: datagram, sentAt: now)
    if entries.count < Self.capacity {
      entries.append(entry)
    } else {
      entries[oldest] = entry
      oldest = (oldest + 1) % Self.capacity
    }
  }

  /// Whether this is a datagram of ours that somebody sent back.
  func isReflection(_ datagram: HandshakeDatagram) -> Bool {
    entries.contains { $0.datagram == datagram }
  }

  /// The datagram of ours which this one answers, if the peer is of our kind.
  func echoed(by datagram: HandshakeDatagram) -> Entry? {
    entries.first { ($0.datagram.bits ^ datagram.bits) & ownBits == 0 }
  }
}

extension PunchRole {
  /// Which bits of a datagram hold this role's nonce: 27 or 28 of the 55 that are free.
  var nonceBits: UInt64 {
    switch self {
    case .inviting: 0x0000_0000_FFFF_FF0E
    case .accepting: 0x00FF_FFFF_0000_00F0
    }
  }

  var peer: PunchRole {
    switch self {
    case .inviting: .accepting
    case .accepting: .inviting
    }
  }
}
