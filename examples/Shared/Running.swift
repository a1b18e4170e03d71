import Glibc
import UnixSignals

/// Runs `work` until it is done, or until SIGINT or SIGTERM comes: then it is cancelled, and closes what it has opened.
///
/// - Returns: whether it was done.
@discardableResult
public func untilSignal(_ work: @Sendable @escaping () async throws -> Void) async throws -> Bool {
  let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
  return try await withThrowingTaskGroup(of: Bool.self) { group in
    group.addTask {
      try await work()
      return true
    }
    group.addTask {
      for await _ in signals { return false }
      throw CancellationError()
    }
    defer { group.cancelAll() }
    return try await group.next() ?? false
  }
}

/// Prints a line at once, also into a pipe.
public func say(_ line: String) {
  print(line)
  fflush(nil)
}

/// Text of a peer's as it may be shown: control characters could play tricks with a terminal.
public func printable(_ text: String) -> String {
  String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.properties.generalCategory != .control }))
}
