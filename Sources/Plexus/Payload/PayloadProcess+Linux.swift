import CProcess
@preconcurrency import Dispatch
import LibC

extension PayloadProcess {
  /// The exit status of the program once it has ended, or 128 and the signal that ended it.
  ///
  /// - Throws: `CancellationError` when the task is cancelled; the program goes on.
  func waitForExit() async throws -> Int32 {
    let descriptor = plexus_pidfd_open(processID)
    guard descriptor >= 0 else { throw CancellationError() }
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: .global())
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        // Both the program's end and the task's cancellation cancel the source, whose handler runs exactly once.
        source.setEventHandler { source.cancel() }
        source.setCancelHandler { [processID] in
          _ = close(descriptor)
          var status: Int32 = 0
          if waitpid(processID, &status, WNOHANG) == processID {
            let signal = status & 0x7F
            continuation.resume(returning: signal == 0 ? (status >> 8) & 0xFF : 128 + signal)
          } else {
            continuation.resume(throwing: CancellationError())
          }
        }
        source.activate()
      }
    } onCancel: {
      source.cancel()
    }
  }
}
