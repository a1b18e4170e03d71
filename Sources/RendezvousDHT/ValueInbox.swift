import Identity
import Logging
import Synchronization

/// The values that wait to be looked at: filled on OpenDHT's thread, emptied by one task, bounded in all and by owner.
///
/// What costs nothing to refuse is refused here. Decrypting costs 2 ms, so one owner's flood must not stand before others' messages.
final class ValueInbox: Sendable {
  /// A reference line sealed to a 4096-bit key has 512 bytes; room for richer messages.
  static let sizeAtMost = 8192
  /// An honest peer has one or two messages under way; each can arrive from a few nodes.
  static let waitingPerOwner = 16
  /// Sixteen from each of 64 peers, at most 8 MB; a flood past that loses the newest.
  static let waitingAtMost = 1024

  private let waiting = Mutex<[CertificateID: Int]>([:])
  private let values: AsyncStream<(value: SealedValue, owner: CertificateID)>
  private let feed: AsyncStream<(value: SealedValue, owner: CertificateID)>.Continuation
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
    (values, feed) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.waitingAtMost))
  }

  /// Takes a value, or drops it.
  func deliver(_ value: SealedValue) {
    guard value.isUserData else { return logger.drop(value, .otherType) }
    guard value.size <= Self.sizeAtMost else { return logger.drop(value, .huge) }
    guard let owner = value.owner else { return logger.drop(value, .unsigned) }
    let fits = waiting.withLock { waiting in
      guard waiting[owner, default: 0] < Self.waitingPerOwner else { return false }
      waiting[owner, default: 0] += 1
      return true
    }
    guard fits else { return logger.drop(value, .tooMany) }
    if case .enqueued = feed.yield((value, owner)) { return }
    forget(owner)
    logger.drop(value, .tooMany)
  }

  /// Calls `body` with each value in turn until it returns false, the inbox is closed or the task cancelled.
  func forEach(_ body: (SealedValue, CertificateID) async throws -> Bool) async rethrows {
    for await (value, owner) in values {
      forget(owner)
      guard try await body(value, owner) else { return }
    }
  }

  func close() { feed.finish() }

  private func forget(_ owner: CertificateID) {
    waiting.withLock { waiting in
      let left = waiting[owner, default: 1] - 1
      waiting[owner] = left > 0 ? left : nil
    }
  }
}

extension Logger {
  /// The one line that a dropped value is worth.
  func drop(_ value: SealedValue, _ reason: DropReason) {
    debug(
      "dropped a value from the DHT",
      metadata: [
        "event": "dht.value-dropped", "reason": "\(reason.text)",
        "owner": "\(value.owner.map(String.init(describing:)) ?? "none")",
        "id": "\(value.id)", "bytes": "\(value.size)",
      ])
  }
}
