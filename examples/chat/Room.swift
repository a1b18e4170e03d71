import ExampleSupport
import Plexus

/// Those who are there. What is typed goes to all of them, what they say is printed.
actor Room {
  /// Lines that wait for a slow peer; older ones are dropped, so that nobody makes others wait.
  private static let waitingLines = 64

  private var members: [ObjectIdentifier: AsyncStream<String>.Continuation] = [:]

  /// Sends a line to everyone.
  func send(_ line: String) {
    for member in members.values { member.yield(line) }
  }

  /// Says goodbye to everyone, once they have got what was sent.
  func close() {
    for member in members.values { member.finish() }
  }

  /// Lets somebody in.
  ///
  /// - Returns: the lines for it from now on.
  func enter(_ stream: PassageStream) -> AsyncStream<String> {
    let (lines, member) = AsyncStream.makeStream(
      of: String.self, bufferingPolicy: .bufferingNewest(Self.waitingLines))
    members[ObjectIdentifier(stream)] = member
    say("* \(stream.peer) is here")
    return lines
  }

  /// Talks to somebody who is in until either side ends it, and closes the stream.
  func attend(_ stream: PassageStream, _ lines: AsyncStream<String>) async {
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for await line in lines { try await stream.write(line + "\n") } }
        group.addTask {
          var splitter = LineSplitter()
          for try await bytes in stream {
            for line in splitter.take(bytes) { say("\(stream.peer): \(line)") }
          }
        }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch is CancellationError {
    } catch {
      say("* \(error)")
    }
    members[ObjectIdentifier(stream)] = nil
    await stream.close()
    say("* \(stream.peer) has gone")
  }
}
