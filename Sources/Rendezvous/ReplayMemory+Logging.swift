import Identity
import Logging

extension ReplayMemory {
  /// Remembers a puzzle. A state file that fails is worth a warning, but no reason to refuse a peer.
  package func isNew(_ puzzle: UInt64, of peer: CertificateID, logger: Logger) -> Bool {
    do {
      return try insert(puzzle: puzzle, of: peer)
    } catch {
      logger.warning(
        "replays are not remembered past this process",
        metadata: ["event": "replay.memory-failed", "reason": "\(error)"])
      return true
    }
  }
}
