import LibC
import Subprocess
import Synchronization

/// What a running program has written and how it ended, shared by the task that runs it and those that watch it.
final class ProgramRecord: Sendable {
  enum Stream: Hashable, Sendable {
    case output, errors
  }

  /// Kept of each stream, so that a program that talks without end does not fill the memory.
  private static let limit = 256 * 1024

  private struct State {
    var texts: [Stream: [UInt8]] = [:]
    var processIdentifier: Int32?
    var exit: Lab.ProgramExit?
    var isOver = false
    var watchers: [AsyncStream<Void>.Continuation] = []
  }

  private let state = Mutex(State())

  var exit: Lab.ProgramExit? { state.withLock { $0.exit } }
  var processIdentifier: Int32? { state.withLock { $0.processIdentifier } }

  func text(_ stream: Stream) -> String {
    String(decoding: state.withLock { $0.texts[stream, default: []] }, as: UTF8.self)
  }

  /// The lines of a stream; the last one only counts once it is complete or the program has ended.
  func completeLines(_ stream: Stream) -> [String] {
    let ended = exit != nil
    // sshd ends its lines with a carriage return as well, which makes one character of the two.
    let lines = text(stream).split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    return (ended && lines.last != "" ? lines[...] : lines.dropLast()).map(String.init)
  }

  /// The last words, for error texts.
  var tail: String {
    let words = [Stream.output, .errors].map { String(text($0).suffix(2000)) }.filter { !$0.isEmpty }
    return words.isEmpty ? "nothing" : words.joined(separator: "\n")
  }

  /// Yields once now and then after changes, until the program is over.
  func changes() -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    continuation.yield()
    state.withLock { state in
      if state.isOver { continuation.finish() } else { state.watchers.append(continuation) }
    }
    return stream
  }

  /// The process is only reaped after its identifier has been taken out here, so this never reaches another one.
  func send(signal: Int32) {
    state.withLock { state in
      if let processIdentifier = state.processIdentifier { _ = kill(processIdentifier, signal) }
    }
  }

  /// Runs the program; cancelling ends it.
  func follow(_ configuration: Configuration) async throws {
    defer { change { $0.isOver = true } }
    let result = try await run(configuration, input: .none, output: .sequence, error: .sequence) { execution in
      self.change { $0.processIdentifier = execution.processIdentifier.value }
      defer { self.change { $0.processIdentifier = nil } }
      async let errors: Void = self.collect(execution.standardError, as: .errors)
      try await self.collect(execution.standardOutput, as: .output)
      try await errors
    }
    change { state in
      switch result.terminationStatus {
      case .exited(let code): state.exit = .exited(code)
      case .signaled(let signal): state.exit = .signalled(signal)
      }
    }
  }

  private func collect(_ chunks: SubprocessOutputSequence, as stream: Stream) async throws {
    for try await chunk in chunks {
      let bytes = chunk.withUnsafeBytes { Array($0) }
      change { state in
        state.texts[stream, default: []].append(contentsOf: bytes)
        let excess = state.texts[stream, default: []].count - Self.limit
        if excess > 0 { state.texts[stream]?.removeFirst(excess) }
      }
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let (watchers, isOver) = state.withLock { state in
      body(&state)
      return (state.watchers, state.isOver)
    }
    for watcher in watchers {
      watcher.yield()
      if isOver { watcher.finish() }
    }
  }
}
