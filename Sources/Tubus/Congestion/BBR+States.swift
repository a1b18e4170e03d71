import Datagrams

// The state machine:
//
//             +---------+   path filled   +-------+   queue gone    +---------------------------------------+
//   start --> | startup | --------------> | drain | --------------> | probe bandwidth:                      |
//             +---------+                 +-------+                 |   down -> cruise -> refill -> up -+   |
//                  ^                                                |    ^------------------------------+   |
//                  |  path not filled                               +---------------------------------------+
//                  +----------------+                                        |  5 s without a round trip
//                                   |           200 ms, one round            v  as short as the shortest
//                                   +---------------------------------- probe RTT

extension BBR {
  // MARK: Start-up

  mutating func updateStartup(_ event: AckEvent, isRoundStart: Bool) {
    if isRoundStart, !event.sample.isAppLimited, !isPlateau {
      // Three rounds that bring less than a quarter more: there is no more.
      if maximumRate.value >= plateauRate * 1.25 {
        (plateauRate, plateauRounds) = (maximumRate.value, 0)
      } else {
        plateauRounds += 1
        isPlateau = plateauRounds >= 3
        if isPlateau { isFilled = true }
      }
    }
    if state == .startup, isFilled {
      state = .drain
      pacingGain = BBRGain.drainPacing
      windowGain = BBRGain.window
    }
    if state == .drain, Double(event.inFlight) <= bandwidthDelayProduct(maximumRate.value) {
      enterDown(now: event.now, delivered: event.delivered)
    }
  }

  private mutating func resetPlateau(rate: Double) {
    (isPlateau, plateauRate, plateauRounds) = (false, rate, 0)
  }

  // MARK: Probing for bandwidth

  mutating func updateCycle(_ event: AckEvent, isRoundStart: Bool) {
    guard isFilled else { return }
    adaptUpperBound(event, isRoundStart: isRoundStart)
    guard case .probeBandwidth(let phase) = state else { return }
    switch phase {
    case .down:
      if isTimeToProbe(now: event.now) {
        enterRefill(delivered: event.delivered)
      } else if Double(event.inFlight) <= boundWithHeadroom,
        Double(event.inFlight) <= bandwidthDelayProduct(maximumRate.value)
      {
        enterCruise()
      }
    case .cruise:
      if isTimeToProbe(now: event.now) { enterRefill(delivered: event.delivered) }
    case .refill:
      // A round at the full rate first, so that the losses of the probe are the probe's.
      if isRoundStart { enterUp(event) }
    case .up:
      if isWindowLimited, Double(window) >= upperBound {
        resetPlateau(rate: event.sample.rate)
      } else if isPlateau {
        enterDown(now: event.now, delivered: event.delivered)
      }
    }
  }

  mutating func enterDown(now: Instant, delivered: UInt64) {
    nextRound = delivered
    (lossRoundEnd, latestRate, latestDelivered) = (delivered, 0, 0)
    upCount = .infinity
    roundsSinceProbe = 0
    probeWait = randomWait()
    cycleStart = now
    ackPhase = .stopping
    set(.probeBandwidth(.down), pacing: BBRGain.downPacing)
  }

  private mutating func enterCruise() { set(.probeBandwidth(.cruise), pacing: 1) }

  private mutating func enterRefill(delivered: UInt64) {
    (lowerRate, lowerBound) = (.infinity, .infinity)
    (upRounds, upAcknowledged) = (0, 0)
    ackPhase = .refilling
    nextRound = delivered
    set(.probeBandwidth(.refill), pacing: 1)
  }

  private mutating func enterUp(_ event: AckEvent) {
    isProbing = true
    ackPhase = .starting
    nextRound = event.delivered
    cycleStart = event.now
    resetPlateau(rate: event.sample.rate)
    set(.probeBandwidth(.up), pacing: BBRGain.upPacing, window: BBRGain.upWindow)
    raiseSlope()
  }

  private mutating func set(_ next: State, pacing: Double, window: Double = BBRGain.window) {
    (state, pacingGain, windowGain) = (next, pacing, window)
  }

  private func isTimeToProbe(now: Instant) -> Bool {
    if now.since(cycleStart) > probeWait { return true }
    // As often as a Reno flow of this window would grow by one datagram, so that such flows keep up with us.
    let rounds = min(bandwidthDelayProduct(maximumRate.value), Double(window)) / datagramSize
    return Double(roundsSinceProbe) >= min(max(rounds, 1), 63)
  }

  private mutating func adaptUpperBound(_ event: AckEvent, isRoundStart: Bool) {
    if isRoundStart {
      switch ackPhase {
      case .starting: ackPhase = .feedback
      case .stopping:
        isProbing = false
        ackPhase = .initial
        if case .probeBandwidth = state, !event.sample.isAppLimited { maximumRate.nextCycle() }
      case .initial, .feedback, .refilling: break
      }
    }
    guard upperBound < .infinity else { return }
    let tolerated = max(loss.threshold * Double(event.sample.inFlightAtSend), 2.5 * datagramSize)
    guard Double(event.sample.lost) <= tolerated else { return }
    upperBound = max(upperBound, Double(event.sample.inFlightAtSend))
    guard state == .probeBandwidth(.up), isWindowLimited, Double(window) >= upperBound else { return }
    upAcknowledged += Double(event.acknowledged)
    if upAcknowledged >= upCount {
      let steps = (upAcknowledged / upCount).rounded(.down)
      upAcknowledged -= steps * upCount
      upperBound += steps * datagramSize
    }
    if isRoundStart { raiseSlope() }
  }

  /// Each round that finds room lets the bound grow twice as fast.
  private mutating func raiseSlope() {
    let growth = Double(UInt64(1) << min(upRounds, 30))
    upRounds += 1
    upCount = max(Double(window) / growth, datagramSize)
  }

  // MARK: Probing for the round trip

  mutating func updateProbeRTT(_ event: AckEvent, isRoundStart: Bool) {
    if state != .probeRTT, isProbeRTTDue, !isIdleRestart {
      priorWindow = window
      probeRTTEnd = nil
      ackPhase = .stopping
      nextRound = event.delivered
      set(.probeRTT, pacing: 1, window: BBRGain.probeRTTWindow)
    }
    isProbeRTTDue = false
    guard state == .probeRTT else { return }
    let small = max(BBRGain.probeRTTWindow * bandwidthDelayProduct(rate), smallestWindow)
    if let end = probeRTTEnd {
      guard event.now >= end, roundCount > probeRTTRound else { return }
      probeRTTMinimumAt = event.now
      restoreWindow()
      (lowerRate, lowerBound) = (.infinity, .infinity)
      if isFilled {
        enterDown(now: event.now, delivered: event.delivered)
        enterCruise()
      } else {
        set(.startup, pacing: BBRGain.startupPacing)
      }
    } else if Double(event.inFlight) <= small {
      probeRTTEnd = event.now.adding(200 * .millisecond)
      probeRTTRound = roundCount
      nextRound = event.delivered
    }
  }
}
