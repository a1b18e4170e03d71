import Dispatch
import Glibc
import Synchronization

/// Waits for children without a thread for each: one SIGCHLD source, and one `waitpid` for each child at each signal.
///
/// It asks for its own children only, so that it takes nobody else's.
final class ChildReaper: Sendable {
  static let shared = ChildReaper()

  private struct State {
    var waiting: [pid_t: CheckedContinuation<Int32, any Error>] = [:]
    /// Cancelled before its continuation was there.
    var cancelled: Set<pid_t> = []
  }

  private let state = Mutex(State())
  private let source: any DispatchSourceSignal

  private init() {
    source = DispatchSource.makeSignalSource(signal: SIGCHLD, queue: .global())
    source.setEventHandler { [weak self] in self?.reap() }
    source.activate()
  }

  func exitStatus(of child: pid_t) async throws -> Int32 {
    defer { _ = state.withLock { $0.cancelled.remove(child) } }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isCancelled = state.withLock { state in
          if state.cancelled.contains(child) { return true }
          state.waiting[child] = continuation
          return false
        }
        // The child may have ended before anybody waited for it.
        if isCancelled { continuation.resume(throwing: CancellationError()) } else { reap() }
      }
    } onCancel: {
      let continuation = state.withLock { state in
        state.cancelled.insert(child)
        return state.waiting.removeValue(forKey: child)
      }
      continuation?.resume(throwing: CancellationError())
    }
  }

  private func reap() {
    let ended = state.withLock { state in
      var ended: [(CheckedContinuation<Int32, any Error>, Int32)] = []
      for child in Array(state.waiting.keys) {
        var status: Int32 = 0
        let result = waitpid(child, &status, WNOHANG)
        guard result != 0, let continuation = state.waiting.removeValue(forKey: child) else { continue }
        let signal = status & 0x7F
        ended.append((continuation, result < 0 ? -1 : signal == 0 ? (status >> 8) & 0xFF : 128 + signal))
      }
      return ended
    }
    for (continuation, status) in ended { continuation.resume(returning: status) }
  }
}
