import Testing

@testable import RendezvousEmail

@Suite struct BackoffTests {
  private func pauses(_ code: MailError.Code, jitter: Double = 0.5) -> [Duration] {
    var backoff = Backoff()
    return (0..<12).map { _ in backoff.next(after: MailError(code, ""), jitter: jitter) }
  }

  @Test func pausesGrowUpToAMinute() {
    let pauses = pauses(.unreachable)
    #expect(pauses.prefix(4) == [.seconds(1), .seconds(2), .seconds(4), .seconds(8)])
    #expect(pauses.last == .seconds(60))
    // Spread by a fifth, so that not everybody comes back at once.
    #expect(self.pauses(.unreachable, jitter: 1).last.map { $0 > .seconds(71) && $0 < .seconds(73) } == true)
  }

  @Test func aRefusedLoginIsTriedSeldom() {
    let pauses = pauses(.loginRefused)
    #expect(pauses.first == .seconds(30) && pauses.last == .seconds(300))
  }
}
