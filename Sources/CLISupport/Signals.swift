import Dispatch
import LibC
import UnixSignals

extension CommandFailure {
  /// The failure of a run that a signal ended before it was done.
  public init(interruptedBy signal: UnixSignal) {
    self.init(
      signal == .sigint ? .interrupted : signal == .sighup ? .hungUp : .terminated,
      "ended by \(signal) before the passage was made")
  }
}

/// Runs `perform` until it returns, throws, or SIGINT, SIGTERM or SIGHUP comes; then cancels it and calls `interrupted`.
///
/// Under a service manager it is told of the end, and SIGHUP does not end the run: it calls `reload`, if there is one.
/// A run that does not end within two seconds of the signal is ended hard: whoever presses Ctrl-C wants the prompt back.
public func untilSignal(
  reload: (@Sendable () async -> Void)? = nil,
  interrupted: @Sendable @escaping (UnixSignal) throws -> Void, perform: @Sendable @escaping () async throws -> Void
) async throws {
  // A terminal that is closed ends the run, unless nohup had it ignored.
  let isIgnored = isIgnored(SIGHUP) && ServiceManager.current == nil
  let signals = await UnixSignalsSequence(trapping: isIgnored ? [.sigint, .sigterm] : [.sigint, .sigterm, .sighup])
  try await withThrowingTaskGroup { group in
    group.addTask { try await perform() }
    group.addTask {
      for await signal in signals {
        if signal == .sighup, let manager = ServiceManager.current {
          manager.reloading()
          await reload?()
          manager.reloaded()
          continue
        }
        ServiceManager.current?.stopping()
        DispatchQueue.global().asyncAfter(deadline: .now() + 2) { _exit(128 + signal.number) }
        try interrupted(signal)
        return
      }
      // Cancelled because the work is done.
    }
    defer { group.cancelAll() }
    try await group.next()
  }
}

extension UnixSignal {
  fileprivate var number: Int32 { self == .sigint ? SIGINT : self == .sighup ? SIGHUP : SIGTERM }
}
