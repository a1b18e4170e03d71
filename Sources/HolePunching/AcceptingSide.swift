import Datagrams

/// The acceptor: opens its NAT, answers probes, and waits for the inviter's last word.
struct AcceptingSide: PunchSide {
  private enum Phase {
    case opening(Opening)
    case answering(Answering)
  }

  private struct Opening {
    var repeats: RepeatSchedule
    /// From when on every other probe goes all the way, for the sake of a NAT beyond the low hop limit.
    let fullHopLimitFrom: Instant
    var wasFull = false
  }

  private struct Answering {
    let firstProbe: Instant
    var latestProbe: Instant
    var repeats: RepeatSchedule
  }

  private let lowHopLimit: UInt8
  private var phase: Phase

  init(configuration: PunchConfiguration, over link: inout PunchLink, now: Instant) {
    lowHopLimit = configuration.lowHopLimit
    if configuration.openingDelay <= .zero { link.send(.probe, hopLimit: lowHopLimit, now: now) }
    let start = now.advanced(by: max(configuration.openingDelay, .zero))
    phase = .opening(
      Opening(
        repeats: RepeatSchedule(startingAt: start, longestGap: PunchTiming.longestOpeningGap),
        fullHopLimitFrom: start.advanced(by: configuration.lowHopLimitPeriod)))
  }

  var nextRepeat: Instant? {
    switch phase {
    case .opening(let opening): opening.repeats.next
    case .answering(let answering): answering.repeats.next
    }
  }

  func expectedEnd(over link: PunchLink) -> Instant? {
    switch phase {
    case .opening: return nil
    case .answering(let answering):
      // Silence says nothing of its own, so one probe will do only where none can be chance.
      guard link.counters.probesHeard >= link.evidence(link.counters.noise == 0 ? 1 : 2),
        answering.firstProbe.duration(to: answering.latestProbe) <= PunchTiming.oneWayPeriod
      else { return nil }
      return answering.latestProbe.advanced(by: PunchTiming.silence)
    }
  }

  mutating func receive(_ heard: PunchLink.Heard, over link: inout PunchLink, now: Instant) -> Conclusion? {
    switch (phase, heard.datagram.flag) {
    case (.opening, .answer):
      // Nobody was asked yet: chance, or out of another handshake.
      return nil
    case (.opening, .probe):
      _ = link.react(with: .answer, now: now)
      phase = .answering(Answering(firstProbe: now, latestProbe: now, repeats: Self.answerRepeats(from: now)))
      return nil
    case (.answering(var answering), .probe):
      answering.latestProbe = now
      if link.react(with: .answer, now: now) { answering.repeats = Self.answerRepeats(from: now) }
      phase = .answering(answering)
      return nil
    case (.answering, .answer):
      if heard.echo != nil {
        for _ in 0..<PunchTiming.acknowledgements { link.send(.answer, now: now) }
        return .acknowledged
      }
      // The reference says it once only, so once must do.
      return link.counters.probesHeard >= link.evidence(1) ? .acknowledged : nil
    }
  }

  mutating func handleTimeout(over link: inout PunchLink, now: Instant) -> Conclusion? {
    switch phase {
    case .opening(var opening):
      if opening.repeats.takeDue(now: now) {
        opening.wasFull = !opening.wasFull && now >= opening.fullHopLimitFrom
        link.send(.probe, hopLimit: opening.wasFull ? nil : lowHopLimit, now: now)
      }
      phase = .opening(opening)
      return nil
    case .answering(var answering):
      if answering.repeats.takeDue(now: now) { link.send(.answer, now: now) }
      phase = .answering(answering)
      return expectedEnd(over: link).map { $0 <= now } == true ? .silence : nil
    }
  }

  private static func answerRepeats(from now: Instant) -> RepeatSchedule {
    RepeatSchedule(startingAt: now, longestGap: PunchTiming.longestAnswerGap, repeats: PunchTiming.answerRepeats)
  }
}
