import Datagrams

/// The inviter: probes until it is answered, then tells so until that is acknowledged.
struct InvitingSide: PunchSide {
  private enum Phase {
    case probing(Probing)
    case telling(RepeatSchedule)
  }

  private struct Probing {
    var repeats: RepeatSchedule
    /// Answers without echo, which may be the reference's or chance.
    var plainAnswers = 0
    var latestPlainAnswer: HandshakeDatagram?
  }

  private var phase: Phase

  init(over link: inout PunchLink, now: Instant) {
    link.send(.probe, now: now)
    phase = .probing(Probing(repeats: RepeatSchedule(startingAt: now)))
  }

  var nextRepeat: Instant? {
    switch phase {
    case .probing(let probing): probing.repeats.next
    case .telling(let repeats): repeats.next
    }
  }

  func expectedEnd(over link: PunchLink) -> Instant? {
    switch phase {
    case .probing: nil
    // The acceptor has heard us and goes on, so we must too, and do when the repeats end.
    case .telling: .distantFuture
    }
  }

  mutating func receive(_ heard: PunchLink.Heard, over link: inout PunchLink, now: Instant) -> Conclusion? {
    switch phase {
    case .probing(var probing):
      if heard.echo != nil {
        tell(over: &link, now: now)
        return nil
      }
      if heard.datagram.flag == .answer, heard.datagram != probing.latestPlainAnswer {
        probing.latestPlainAnswer = heard.datagram
        probing.plainAnswers += 1
        // The reference answers every probe, so one more costs it nothing and a lone stray cannot end the punch.
        if probing.plainAnswers >= link.evidence(2) {
          tell(over: &link, now: now)
          return nil
        }
      }
      // The peer is there, so be quick again.
      if link.react(with: .probe, now: now) { probing.repeats = RepeatSchedule(startingAt: now) }
      phase = .probing(probing)
      return nil
    case .telling:
      if heard.echo?.datagram.flag == .answer { return .acknowledged }
      // It still waits for our last word.
      _ = link.react(with: .answer, now: now)
      return nil
    }
  }

  mutating func handleTimeout(over link: inout PunchLink, now: Instant) -> Conclusion? {
    switch phase {
    case .probing(var probing):
      if probing.repeats.takeDue(now: now) { link.send(.probe, now: now) }
      phase = .probing(probing)
      return nil
    case .telling(var repeats):
      if repeats.takeDue(now: now) { link.send(.answer, now: now) }
      phase = .telling(repeats)
      return repeats.next == nil ? .told : nil
    }
  }

  private mutating func tell(over link: inout PunchLink, now: Instant) {
    link.send(.answer, now: now)
    let repeats =
      switch link.peerKind {
      case .echoing:
        RepeatSchedule(
          startingAt: now, longestGap: PunchTiming.longestAcknowledgedGap, repeats: PunchTiming.acknowledgedRepeats)
      case .plain:
        RepeatSchedule(
          startingAt: now, longestGap: PunchTiming.longestUnacknowledgedGap, repeats: PunchTiming.unacknowledgedRepeats)
      }
    phase = .telling(repeats)
  }
}
