import Crypto

/// The digests of the values seen last: the same bytes come from every node that keeps a value, and with every repeat.
struct SeenDigests {
  /// Eight nodes, a few editions, a few dozen peers; older ones are still caught by the replay memory, at the price of decrypting.
  static let atMost = 1024

  private var digests: Set<SHA256.Digest> = []
  private var order: [SHA256.Digest] = []
  private var oldest = 0

  /// Whether the digest is among those seen last.
  func contains(_ digest: SHA256.Digest) -> Bool { digests.contains(digest) }

  /// Whether the digest is new; it is not from now on.
  mutating func insert(_ digest: SHA256.Digest) -> Bool {
    guard digests.insert(digest).inserted else { return false }
    if order.count < Self.atMost {
      order.append(digest)
    } else {
      digests.remove(order[oldest])
      order[oldest] = digest
      oldest = (oldest + 1) % Self.atMost
    }
    return true
  }
}
