import Datagrams
import FoundationEssentials
import LibC
import Logging
import Synchronization

/// Finds peers by the id of their certificate, always true to the folder: a certificate that is added, replaced or
/// removed counts from the next lookup on.
///
/// A known id costs one `stat`. An unknown one costs a sweep, which lists the folders and reads only the files that have
/// changed; sweeps are so far apart that a flood of unknown ids takes a tenth of a core at most. While such a
/// flood lasts, a new certificate is seen after ``shortestPause`` and a little more for each identity, not at once.
///
/// Holds at most 4,096 identities. Blocks while it reads: about 0.2 ms for each certificate that is new to it.
public final class RepositoryIndex: Sendable {
  /// The shortest time between two sweeps: a tiny repository is swept in about 0.1 ms, and nobody adds a certificate and
  /// is invited by its owner within this time.
  public static let shortestPause: Duration = .milliseconds(50)
  /// What each identity adds to that time: ten times what sweeping over it costs.
  static let pausePerIdentity: Duration = .microseconds(100)

  private let repository: ApplicationRepository
  private let pattern: IdentityPattern
  private let logger: Logger
  private let settlingTime: Duration
  private let state = Mutex(State())

  fileprivate struct State {
    var files: [IdentityName: File] = [:]
    var names: [CertificateID: IdentityName] = [:]
    /// Nil before the first sweep.
    var nextSweep: Instant?
    /// Whether the last sweep could list the repository.
    var isReadable = true
  }

  /// A certificate's file as it was when it was read.
  fileprivate struct File {
    var stamp: FileStamp
    /// False while the file could change without its stamp changing.
    var isSettled: Bool
    /// Nil when the file holds nothing usable.
    var peer: PeerIdentity?
  }

  /// Indexes the identities of `repository` that `pattern` means; reads nothing yet.
  ///
  /// One's own identities are among them: the caller knows its own certificate id.
  public convenience init(repository: ApplicationRepository, matching pattern: IdentityPattern, logger: Logger) {
    // File systems count time in steps, the coarsest of them in steps of two seconds.
    self.init(repository: repository, matching: pattern, logger: logger, settlingTime: .seconds(2))
  }

  /// As the public one.
  ///
  /// - Parameter settlingTime: How long after its last change a file may change again with the same stamp.
  init(
    repository: ApplicationRepository, matching pattern: IdentityPattern, logger: Logger, settlingTime: Duration
  ) {
    self.settlingTime = settlingTime
    self.repository = repository
    self.pattern = pattern
    self.logger = logger
  }

  /// The peer with this certificate id; nil when the repository holds none that `pattern` means and that is valid.
  ///
  /// A key that lies under several names is found under the first of them.
  /// - Parameters:
  ///   - now: The monotonic time, which spaces the sweeps.
  ///   - date: The time of day, which certificates must be valid at.
  public func peer(_ id: CertificateID, now: Instant, date: Date = Date()) -> PeerIdentity? {
    let peer = state.withLock { state in
      known(id, &state) ?? (sweep(&state, now: now) ? known(id, &state) : nil)
    }
    do {
      try peer?.checkValidity(at: date)
      return peer
    } catch {
      logger.debug("identity skipped", metadata: ["event": "identity.skipped", "reason": "\(error)"])
      return nil
    }
  }

  private func known(_ id: CertificateID, _ state: inout State) -> PeerIdentity? {
    guard let name = state.names[id], let file = state.files[name] else { return nil }
    if file.isSettled, (try? FileStamp(path: repository.certificatePath(name))) == file.stamp { return file.peer }
    state.files[name] = read(name)
    let peer = state.files[name]?.peer
    if peer?.certificateID == id { return peer }
    state.rebuildNames()
    // The key may lie under another name, too. This ends: the file just read is out of the game.
    return known(id, &state)
  }

  /// Makes the index true to the folder, if the last time is long enough ago.
  private func sweep(_ state: inout State, now: Instant) -> Bool {
    if let next = state.nextSweep, now < next { return false }
    var names: [IdentityName] = []
    do {
      // What is wrong with the repository is told once, not at every sweep.
      names = try repository.names(matching: pattern, logger: state.nextSweep == nil ? logger : nil)
      state.isReadable = true
    } catch {
      if state.isReadable {
        logger.warning(
          "no peer is known", metadata: ["event": "identity.repository-unreadable", "reason": "\(error)"])
      }
      state.isReadable = false
    }
    var files: [IdentityName: File] = [:]
    files.reserveCapacity(names.count)
    for name in names {
      if let file = state.files[name], file.isSettled,
        (try? FileStamp(path: repository.certificatePath(name))) == file.stamp
      {
        files[name] = file
      } else {
        files[name] = read(name)
      }
    }
    state.files = files
    state.rebuildNames()
    state.nextSweep = now.advanced(by: Self.shortestPause + Self.pausePerIdentity * names.count)
    return true
  }

  /// The file of `name` as it is now; nil when there is none.
  private func read(_ name: IdentityName) -> File? {
    // The stamp comes first: what changes in between is read again next time.
    guard let stamp = try? FileStamp(path: repository.certificatePath(name)) else { return nil }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let isSettled = Int64(time.tv_sec) &* 1_000_000_000 &- stamp.changed >= settlingTime.nanoseconds
    do {
      return File(stamp: stamp, isSettled: isSettled, peer: try repository.readCertificate(name).identity)
    } catch {
      logger.debug("identity skipped", metadata: ["event": "identity.skipped", "reason": "\(error)"])
      return File(stamp: stamp, isSettled: isSettled, peer: nil)
    }
  }
}

extension RepositoryIndex.State {
  fileprivate mutating func rebuildNames() {
    names.removeAll(keepingCapacity: true)
    for (name, file) in files {
      guard let id = file.peer?.certificateID else { continue }
      if let other = names[id], other < name { continue }
      names[id] = name
    }
  }
}
