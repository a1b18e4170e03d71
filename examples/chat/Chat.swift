import ArgumentParser
import ExampleSupport
import Plexus

/// Lines between people: whoever names a peer talks to it; whoever names none talks to all who come.
@main struct Chat: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Type lines to a peer, or wait for peers and type to all of them.")

  @OptionGroup var meeting: MeetingOptions

  @Argument(
    help: ArgumentHelp("Whom to invite; without it, wait for peers.", valueName: "owner/pin"),
    transform: IdentityName.init)
  var peer: IdentityName?

  func run() async throws {
    let plexus = try meeting.plexus(for: "chat example")
    try await untilSignal {
      if let peer { try await talk(to: peer, by: plexus) } else { try await wait(for: .any, by: plexus) }
    }
  }

  /// One peer, until either side ends.
  private func talk(to peer: IdentityName, by plexus: Plexus) async throws {
    let stream = try await plexus.invite(peer).openStream()
    let room = Room()
    let lines = await room.enter(stream)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await room.attend(stream, lines) }
      group.addTask {
        for await line in typedLines() { await room.send(line) }
        try Task.checkCancellation()
        await room.close()
        // What was typed is delivered first.
        try await Task.sleep(for: .seconds(60))
      }
      try await group.next()
      group.cancelAll()
    }
  }

  /// Everybody who comes, until a signal.
  private func wait(for peers: IdentityPattern, by plexus: Plexus) async throws {
    let room = Room()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { for await line in typedLines() { await room.send(line) } }
      group.addTask {
        try await plexus.accept(from: peers) { passage in
          let stream = try await passage.openStream()
          await room.attend(stream, room.enter(stream))
        }
      }
      say("Waiting for peers.")
      try await group.waitForAll()
    }
  }
}
