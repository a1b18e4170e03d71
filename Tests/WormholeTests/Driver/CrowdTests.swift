import Foundation
import Testing
import Wormhole

/// Clients that come and go quickly, and many at once.
@Suite(.timeLimit(.minutes(5)), .serialized) struct CrowdTests {
  private static func descriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
  }

  /// The benchmark does ten thousand.
  @Test func shortConnectionsLeaveNothingBehind() async throws {
    let service = try await TestService.start(.echo)
    try await Wormholes.run(exporting: [.on(service)]) { wormholes in
      for index in 0..<500 {
        let bytes = [UInt8(truncatingIfNeeded: index), 1, 2]
        guard try await TestClient.exchange(bytes, with: wormholes.port()) == bytes else {
          Issue.record("connection \(index) was lost")
          return
        }
      }
      #expect(try await eventually { wormholes.importer.status.streams == 0 && wormholes.exporter.status.streams == 0 })
      #expect(try await eventually { service.open.now.load(ordering: .relaxed) == 0 })
      #expect(wormholes.importer.status.streamsEver == 500)
    }
    await service.stop()
  }

  @Test(arguments: [false, true]) func manyAtOnceAreAllServed(isPlain: Bool) async throws {
    let service = try await TestService.start(.echo)
    try await Wormholes.run(exporting: [.on(service)], isImporterPlain: isPlain) { wormholes in
      let port = wormholes.port()
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0..<200 {
          let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 5000)
          group.addTask { try await TestClient.echo(bytes, with: port) == bytes }
        }
        for try await isWhole in group { #expect(isWhole) }
      }
      #expect(try await eventually { wormholes.importer.status.streams == 0 && wormholes.exporter.status.streams == 0 })
      #expect(try await eventually { service.open.now.load(ordering: .relaxed) == 0 })
    }
    await service.stop()
  }
}
