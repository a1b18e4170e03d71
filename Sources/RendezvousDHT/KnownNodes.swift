import Datagrams

/// The nodes that answered of late, the most recent first, as they are kept between runs.
///
/// The text is a line that says what it is, then a line for each node: when it was last known to be good, in Unix seconds,
/// and its endpoint.
struct KnownNodes: Equatable {
  /// One that lives is enough to join; of 64 that were good a month ago one nearly always does.
  static let atMost = 64
  /// Whoever runs many nodes on one host does not push all others out.
  static let perAddress = 8
  /// What was not good for a month has another address by now, in seconds.
  static let keptFor: UInt64 = 30 * 24 * 3600
  /// 64 lines of at most 66 bytes and the first one.
  static let bytesAtMost = 8192

  private static let header = "plexus-dht-nodes 1"

  struct Entry: Hashable {
    var endpoint: Endpoint
    /// Unix seconds.
    var lastGood: UInt64
  }

  private(set) var entries: [Entry] = []

  var endpoints: [Endpoint] { entries.map(\.endpoint) }

  init() {}

  /// Reads the text; nil when it is not what ``text`` gives, cut short or otherwise damaged.
  init?(text: String) {
    // The last line is a whole one, too.
    guard text.hasSuffix("\n") else { return nil }
    var lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard lines.popFirst() == Self.header[...] else { return nil }
    for line in lines {
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 2, let first = parts.first, let last = parts.last, let lastGood = UInt64(first),
        let endpoint = Endpoint(String(last))
      else { return nil }
      entries.append(Entry(endpoint: endpoint, lastGood: lastGood))
    }
    // A number with a sign or an address in another spelling: somebody else wrote it.
    guard self.text.utf8.elementsEqual(text.utf8) else { return nil }
  }

  var text: String {
    ([Self.header] + entries.map { "\($0.lastGood) \($0.endpoint)" }).map { $0 + "\n" }.joined()
  }

  /// Takes nodes that are good at `now`, in Unix seconds.
  mutating func note(good: [Endpoint], now: UInt64) {
    entries = good.map { Entry(endpoint: $0, lastGood: now) } + entries
  }

  /// Drops what is too old, there twice, too much or not `permitted`.
  mutating func tidy(now: UInt64, permitted: (Endpoint) -> Bool) {
    var seen: Set<Endpoint> = []
    var countOfAddress: [IPAddress: Int] = [:]
    let newestFirst = entries.filter { entry in
      // A clock that went wrong must not make a node stay for ever.
      entry.lastGood <= now && now - entry.lastGood <= Self.keptFor && permitted(entry.endpoint)
    }.enumerated().sorted { ($1.element.lastGood, $0.offset) < ($0.element.lastGood, $1.offset) }
    entries = []
    for (_, entry) in newestFirst where entries.count < Self.atMost && seen.insert(entry.endpoint).inserted {
      let count = countOfAddress[entry.endpoint.address, default: 0]
      guard count < Self.perAddress else { continue }
      countOfAddress[entry.endpoint.address] = count + 1
      entries.append(entry)
    }
  }
}
