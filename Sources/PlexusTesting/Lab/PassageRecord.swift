import Datagrams
import FoundationEssentials

/// One line of a payload that ``PlexusPeer`` starts: the passage as `plexus` gave it.
public struct PassageRecord: Hashable, Sendable {
  /// When the payload ran, in nanoseconds since 1970.
  public let started: Int64
  /// What the passage's socket was bound to.
  public let inner: Endpoint
  /// The own public address.
  public let outer: Endpoint
  /// The peer's public address.
  public let peer: Endpoint
  /// The shared secret, decimal.
  public let secret: String
  /// The peer, OWNER/PIN.
  public let peerIdentity: String

  init?(_ line: Substring) {
    let fields = line.split(separator: " ").map(String.init)
    guard fields.count == 6, let started = Int64(fields[0]), let inner = Endpoint(fields[1]),
      let outer = Endpoint(fields[2]), let peer = Endpoint(fields[3])
    else { return nil }
    self.started = started
    (self.inner, self.outer, self.peer) = (inner, outer, peer)
    (secret, peerIdentity) = (fields[4], fields[5])
  }
}

extension PlexusPeer {
  /// The passages made so far, in the order in which their payloads ran.
  public var passages: [PassageRecord] {
    guard let data = FileManager.default.contents(atPath: passageFile) else { return [] }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").compactMap(PassageRecord.init)
  }

  /// Those of ``passages`` that lead to `peer`.
  public func passages(with peer: PlexusPeer) -> [PassageRecord] {
    passages.filter { $0.peerIdentity == peer.identity }
  }

  /// Waits until this many payloads have run for passages to `peer`, those from before included.
  ///
  /// - Returns: The passages to `peer`.
  /// - Throws: ``LabError`` if the time passes before.
  @discardableResult
  public func waitForPassages(
    _ count: Int = 1, with peer: PlexusPeer, deadline: Duration = .seconds(30)
  ) async throws -> [PassageRecord] {
    let end = ContinuousClock.now.advanced(by: deadline)
    while true {
      let made = passages(with: peer)
      if made.count >= count { return made }
      guard ContinuousClock.now < end else {
        throw LabError(
          .deadlineExceeded,
          "\(identity) started \(made.count) of \(count) payloads for \(peer.identity) within \(deadline)")
      }
      // Short beside the time of a passage, long beside that of looking.
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}
