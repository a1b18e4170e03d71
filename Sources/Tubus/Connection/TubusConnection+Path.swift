import Datagrams

extension TubusConnection {
  /// Goes on over another path: the peer is the same, and so is the stream, but nothing that was learned of the old path holds, and what is
  /// under way there is sent again. Both ends have to do it at about the same time; nothing on the wire tells it.
  public mutating func changePath(now: Instant) {
    guard isLinked else { return }
    rtt = RTTEstimator()
    mtu = PathMTU(maximum: configuration.maximumDatagramSize)
    mtu.start(now: now)
    congestion = configuration.makeCongestionController(datagramSize: mtu.size, now: now, seed: random.next())
    pacer = Pacer(now: now, datagramSize: mtu.size)
    flight.loseAll()
    pings.forget(before: .distantFuture)
    (probeCount, probesDue) = (0, 0)
    (lastHeard, edgeRepeat, edgeAttempts) = (now, now, 0)
    // It tells the round trip, opens what lies on the way, and is repeated until it is answered.
    isPingDue = true
  }
}
