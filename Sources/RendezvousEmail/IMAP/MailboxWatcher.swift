import DatagramSockets
import Datagrams
import Synchronization

/// Watches an inbox for as long as it runs: connects, tells of new messages, and connects again whenever the server fails.
final class MailboxWatcher: Sendable {
  /// What becomes of the connection.
  enum Change: Sendable {
    case ready
    /// The connection failed; the next is tried after `pause`.
    case failed(MailError, pause: Duration)
    case note(String)
  }

  /// Those who know what to do with messages.
  struct Callbacks: Sendable {
    /// Whether a message is to be fetched.
    var wants: @Sendable (IMAPSummary) -> Bool
    /// Takes a message, and says whether it was used up and is to be deleted.
    var take: @Sendable (IMAPSummary, IMAPFetch.Content) -> Bool
    var onChange: @Sendable (Change) -> Void
  }

  /// Where the next connection goes on.
  private struct Bookmark {
    var position: IMAPPosition?
    var deletions: [UInt32] = []
  }

  private struct Control {
    var connection: MailConnection?
    var pollInterval: Duration
    var isStopping = false
  }

  /// A connection that has lasted this long was a good one.
  private static let stableAfter = Duration.seconds(30)

  private let endpoint: MailEndpoint
  private let tls: MailTLS
  private let configuration: EmailConfiguration
  private let callbacks: Callbacks
  private let control: Mutex<Control>

  init(endpoint: MailEndpoint, tls: MailTLS, configuration: EmailConfiguration, callbacks: Callbacks) {
    (self.endpoint, self.tls, self.configuration, self.callbacks) = (endpoint, tls, configuration, callbacks)
    control = Mutex(Control(pollInterval: configuration.pollInterval))
  }

  /// How often to look where the server cannot tell.
  func setPollInterval(_ interval: Duration) { change { $0.pollInterval = interval } }

  /// Lets ``run()`` end as soon as what was to be deleted is.
  ///
  /// - Returns: whether there is a connection that has to end; otherwise the task can be cancelled.
  func stop() -> Bool {
    change { $0.isStopping = true }
    return control.withLock { $0.connection != nil }
  }

  private func change(_ body: (inout Control) -> Void) {
    let connection = control.withLock { control in
      body(&control)
      return control.connection
    }
    connection?.wake()
  }

  /// Runs until ``stop()`` or until the task is cancelled.
  func run() async {
    var backoff = Backoff()
    var bookmark = Bookmark()
    while !Task.isCancelled, !control.withLock({ $0.isStopping }) {
      var readySince: Instant?
      do {
        try await watch(from: &bookmark, onReady: { readySince = MonotonicClock.now })
      } catch let error as MailError {
        // A server that lets us in and throws us out at once must not be asked every second.
        if let readySince, readySince.duration(to: MonotonicClock.now) > Self.stableAfter { backoff.reset() }
        let pause = backoff.next(after: error, jitter: .random(in: 0...1))
        guard !Task.isCancelled, !control.withLock({ $0.isStopping }) else { return }
        callbacks.onChange(.failed(error, pause: pause))
        // Stopping need not wait for this: whoever stops cancels soon after.
        try? await Task.sleep(for: pause)
      } catch {
        return
      }
    }
  }

  /// One connection, from the first byte to the last.
  private func watch(from bookmark: inout Bookmark, onReady: () -> Void) async throws {
    let login = try MailLogin(configuration)
    let connection = try await MailConnection.open(endpoint, tls: tls)
    control.withLock { $0.connection = connection }
    do {
      try await watch(over: connection, login: login, from: &bookmark, onReady: onReady)
      control.withLock { $0.connection = nil }
      await connection.close()
    } catch {
      control.withLock { $0.connection = nil }
      await connection.close()
      throw error
    }
  }

  private func watch(
    over connection: MailConnection, login: MailLogin, from bookmark: inout Bookmark, onReady: () -> Void
  ) async throws {
    var settings = IMAPSession.Configuration()
    settings.startsTLS = endpoint.security == .startTLS
    settings.usesIdle = configuration.usesIdle
    settings.pollInterval = control.withLock { $0.pollInterval }
    var session = IMAPSession(
      server: endpoint.name, login: login, configuration: settings, known: bookmark.position, now: MonotonicClock.now)
    var wanted: [UInt32: IMAPSummary] = [:]
    var isReady = false
    while true {
      while let event = session.pollEvent() {
        switch event {
        case .startTLS:
          try await connection.startTLS()
          session.startedTLS(now: MonotonicClock.now)
        case .ready(let position):
          onReady()
          isReady = true
          if position.validity == bookmark.position?.validity {
            for uid in bookmark.deletions { session.delete(uid, now: MonotonicClock.now) }
          }
          callbacks.onChange(.ready)
        case .message(let summary):
          guard callbacks.wants(summary), session.fetch(summary.uid, now: MonotonicClock.now) else { continue }
          wanted[summary.uid] = summary
        case .body(let uid, let content):
          guard let summary = wanted.removeValue(forKey: uid) else { continue }
          if callbacks.take(summary, content) { session.delete(uid, now: MonotonicClock.now) }
        case .missing(let uid): wanted[uid] = nil
        case .notDeleted(let reason): callbacks.onChange(.note(reason))
        case .loggedOut:
          if let bytes = session.pollTransmit() { connection.send(bytes) }
          return
        }
      }
      // Until then the bookmark of the last connection counts.
      if isReady { bookmark = Bookmark(position: session.position, deletions: session.unfinishedDeletions) }
      let (isStopping, pollInterval) = control.withLock { ($0.isStopping, $0.pollInterval) }
      session.setPollInterval(pollInterval)
      if isStopping { session.logOut(now: MonotonicClock.now) }
      if let bytes = session.pollTransmit() { connection.send(bytes) }
      if session.hasEvents { continue }
      let bytes = try await connection.receive(until: session.pollTimeout() ?? .distantFuture)
      let now = MonotonicClock.now
      if let bytes { try session.receive(bytes, now: now) }
      // Also after bytes: a talkative server must not keep us from our deadlines.
      try session.handleTimeout(now: now)
    }
  }
}
