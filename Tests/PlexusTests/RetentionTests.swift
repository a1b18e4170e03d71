import Identity
import NIOCore
import PlexusTesting
import Synchronization
import Testing

@testable import Plexus

/// What a program that makes thousands of streams must not keep.
@Suite(.timeLimit(.minutes(2))) struct RetentionTests {
  @Test func nothingOfAStreamIsLeftOnceItIsClosed() async throws {
    try await World.run { world in
      let (alice, bob) = (Left(), Left())
      try await world.whileBobAccepts(
        world.plexus(World.bob),
        perform: { passage in
          let stream = try await passage.openStream()
          bob.watch(stream)
          for try await bytes in stream { try await stream.write(bytes) }
          await stream.close()
        }
      ) {
        try await Self.talk(world.plexus(World.alice).invite(IdentityName(World.bob)), alice)
        // The time limit of the suite ends a wait in vain.
        while !(alice.names + bob.names).isEmpty { try await Task.sleep(for: .milliseconds(20)) }
      }
    }
  }

  private static func talk(_ passage: Passage, _ left: Left) async throws {
    let stream = try await passage.openStream()
    left.watch(stream)
    try await stream.write("hello")
    _ = try await stream.read()
    await stream.close()
  }
}

/// Objects that should be gone.
private final class Left: Sendable {
  private struct Weak: @unchecked Sendable {
    let name: String
    weak var object: AnyObject?
  }

  private let objects = Mutex<[Weak]>([])

  func watch(_ stream: PassageStream) {
    let all: [(String, AnyObject)] =
      [
        ("stream", stream), ("path", stream.path), ("socket", stream.path.passage.socket), ("channel", stream.channel),
        ("pipeline", stream.channel.pipeline), ("port", stream.channel.parent ?? stream.channel),
      ] + driver(of: stream)
    objects.withLock { objects in objects = all.map { Weak(name: $0.0, object: $0.1) } }
  }

  /// What reads the port's datagrams, which nobody outside of Tubus has a name for.
  private func driver(of stream: PassageStream) -> [(String, AnyObject)] {
    guard let driver = Mirror(reflecting: stream.channel).descendant("driver") else { return [] }
    return [("driver", driver as AnyObject)]
  }

  var names: [String] { objects.withLock { $0.filter { $0.object != nil }.map(\.name) } }
}
