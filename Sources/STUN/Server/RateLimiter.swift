import Datagrams

/// Token buckets, one for each source, and one for all. It holds a bounded number of sources, whatever they send.
struct RateLimiter: Sendable {
  private struct Bucket {
    var tokens: Double
    var updated: Instant

    mutating func take(_ limit: RateLimit, now: Instant) -> Bool {
      let elapsed = max(updated.duration(to: now), .zero) / Duration.seconds(1)
      tokens = min(Double(limit.burst), tokens + elapsed * Double(limit.perSecond))
      updated = now
      guard tokens >= 1 else { return false }
      tokens -= 1
      return true
    }
  }

  private let perSource: RateLimit
  private let total: RateLimit
  private let capacity: Int
  private var all: Bucket
  /// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. So the table is
  /// bounded without looking for the oldest entry, and a busy source stays known.
  private var young: [IPAddress: Bucket] = [:]
  private var old: [IPAddress: Bucket] = [:]

  init(perSource: RateLimit, total: RateLimit, capacity: Int, now: Instant) {
    (self.perSource, self.total, self.capacity) = (perSource, total, max(capacity, 1))
    all = Bucket(tokens: Double(total.burst), updated: now)
  }

  var count: Int { young.count + old.count }

  /// Whether a request of `address` may be answered now.
  mutating func allows(_ address: IPAddress, now: Instant) -> Bool {
    let key = Self.key(of: address)
    var bucket = young[key] ?? old[key] ?? Bucket(tokens: Double(perSource.burst), updated: now)
    let isAllowed = bucket.take(perSource, now: now)
    if young[key] == nil, young.count >= capacity { (young, old) = ([:], young) }
    young[key] = bucket
    return isAllowed && all.take(total, now: now)
  }

  /// One IPv6 site has a /64 at least, and would be 2^64 sources.
  private static func key(of address: IPAddress) -> IPAddress {
    switch address {
    case .v4: address
    case .v6(let high, _): .v6(high: high, low: 0)
    }
  }
}

/// How many requests are answered.
public struct RateLimit: Hashable, Sendable {
  /// So many at once.
  public var burst: Int
  /// And so many each second in the long run.
  public var perSecond: Int

  /// Joins both numbers.
  public init(burst: Int, perSecond: Int) {
    (self.burst, self.perSecond) = (burst, perSecond)
  }
}
