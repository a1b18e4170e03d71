import Datagrams
import Identity

/// Bounds how often a peer is told that there is no place for it. To say so takes six signatures and as many puts, more than inviting once more takes it.
struct RefusalBudget {
  /// A person who starts many at once hears of each.
  private static let atOnce = 8.0
  private static let perSecond = 1.0
  /// Those that have all of theirs left are forgotten.
  private static let maximumPeers = 1024

  private var accounts: [IdentityName: (left: Double, at: Instant)] = [:]

  /// Whether the peer may be told now; if so it counts.
  mutating func take(_ peer: IdentityName, now: Instant) -> Bool {
    if accounts[peer] == nil, accounts.count >= Self.maximumPeers {
      accounts = accounts.filter { left($0.value, now: now) < Self.atOnce }
      guard accounts.count < Self.maximumPeers else { return false }
    }
    let rest = accounts[peer].map { left($0, now: now) } ?? Self.atOnce
    accounts[peer] = (rest < 1 ? rest : rest - 1, now)
    return rest >= 1
  }

  private func left(_ account: (left: Double, at: Instant), now: Instant) -> Double {
    let passed = Double(account.at.duration(to: now).milliseconds) / 1000
    return min(Self.atOnce, account.left + max(0, passed) * Self.perSecond)
  }
}
