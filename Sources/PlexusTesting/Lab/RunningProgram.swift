import LibC

extension Lab {
  /// How a program ended.
  public enum ProgramExit: Hashable, Sendable {
    /// By itself, with this status.
    case exited(Int32)
    /// By this signal.
    case signalled(Int32)
  }

  /// What is left of a program that ended.
  public struct ProgramResult: Hashable, Sendable {
    /// How it ended.
    public let exit: ProgramExit
    /// The end of what it wrote to standard output, at most 256 KiB.
    public let output: String
    /// The end of what it wrote to standard error, at most 256 KiB.
    public let errors: String
  }

  /// A program that runs on a ``Host``.
  public struct RunningProgram: Sendable {
    let name: String
    let record: ProgramRecord

    /// The end of what it wrote to standard output so far, at most 256 KiB.
    public var output: String { record.text(.output) }

    /// The end of what it wrote to standard error so far, at most 256 KiB.
    public var errors: String { record.text(.errors) }

    /// Waits until it has written lines with this text, on either stream, from its start on.
    ///
    /// - Parameters:
    ///   - text: What the line contains.
    ///   - count: How many such lines to wait for.
    ///   - deadline: The longest time to wait.
    /// - Returns: The last of these lines.
    /// - Throws: ``LabError`` if the time passes or the program ends before.
    @discardableResult
    public func waitForLine(
      containing text: String, count: Int = 1, deadline: Duration = .seconds(30)
    ) async throws -> String {
      try await wait(for: "\(count > 1 ? "\(count) lines" : "a line") with “\(text)”", deadline: deadline) {
        let lines = (record.completeLines(.output) + record.completeLines(.errors)).filter { $0.contains(text) }
        if lines.count >= count { return lines[count - 1] }
        guard record.exit == nil else {
          throw LabError(.unexpectedExit, "\(name) ended without a line with “\(text)”; it said: \(record.tail)")
        }
        return nil
      }
    }

    /// Calls `body` with each line of standard error, from the program's start to its end.
    public func forEachErrorLine(_ body: (String) -> Void) async {
      var seen = 0
      for await _ in record.changes() {
        let lines = record.completeLines(.errors)
        lines.dropFirst(seen).forEach(body)
        seen = max(seen, lines.count)
      }
    }

    /// Waits for its end.
    ///
    /// - Throws: ``LabError`` if the time passes before.
    @discardableResult
    public func waitForExit(deadline: Duration = .seconds(30)) async throws -> ProgramExit {
      try await wait(for: "its end", deadline: deadline) { record.exit }
    }

    /// Sends a signal such as `SIGINT`; nothing happens if the program has ended.
    public func send(signal: Int32) { record.send(signal: signal) }

    /// The identifier of the process; nil before its start and after its end.
    public var processIdentifier: Int32? { record.processIdentifier }

    private func wait<Value: Sendable>(
      for what: String, deadline: Duration, _ condition: @Sendable @escaping () throws -> Value?
    ) async throws -> Value {
      let (name, record) = (name, record)
      return try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask {
          for await _ in record.changes() {
            if let value = try condition() { return value }
          }
          try Task.checkCancellation()
          throw LabError(.unexpectedExit, "\(name) ended before \(what); it said: \(record.tail)")
        }
        group.addTask {
          try await Task.sleep(for: deadline)
          throw LabError(.deadlineExceeded, "\(name): no \(what) within \(deadline); it said: \(record.tail)")
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
      }
    }
  }
}
