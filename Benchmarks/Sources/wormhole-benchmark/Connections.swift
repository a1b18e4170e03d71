import ArgumentParser
import NIOCore
import NIOPosix

struct Connections: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Short connections: many one after another, and many at once. Counts what is lost and what stays open.")

  @OptionGroup var programs: ProgramOptions
  @Option(help: "How many one after another.") var sequence = 10_000
  @Option(help: "How many at once.") var crowd = 500

  func run() async throws {
    let service = try await serve(programs.port + 2) { Echo() }
    let wormholes = try Wormholes(programs, service: programs.port + 2)
    defer { wormholes.end() }
    let before = (wormholes.importer.descriptors, wormholes.exporter.descriptors)
    let clock = ContinuousClock()
    var lost = 0
    let time = try await clock.measure {
      for _ in 0..<sequence where try await !Self.call(wormholes.port, bytes: 100) { lost += 1 }
    }
    print("\(sequence) one after another: \(lost) lost, \(time)")
    lost = 0
    let crowdTime = try await clock.measure {
      try await withThrowingTaskGroup(of: Bool.self) { group in
        let port = wormholes.port
        for _ in 0..<crowd { group.addTask { (try? await Self.call(port, bytes: 20_000)) ?? false } }
        for try await isWhole in group where !isWhole { lost += 1 }
      }
    }
    print("\(crowd) at once: \(lost) lost, \(crowdTime)")
    try await Task.sleep(for: .seconds(1))
    let after = (wormholes.importer.descriptors, wormholes.exporter.descriptors)
    print("open descriptors before and after: importer \(before.0), \(after.0); exporter \(before.1), \(after.1)")
    print("peak memory: \(wormholes.memory)")
    try await service.close()
  }

  private static func call(_ port: Int, bytes: Int) async throws -> Bool {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let done = loop.makePromise(of: Bool.self)
    do {
      _ = try await ClientBootstrap(group: loop).channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Caller(ByteBuffer(repeating: 5, count: bytes), done))
        }
      }.connect(host: "127.0.0.1", port: port).get()
    } catch {
      done.fail(error)
      throw error
    }
    return try await done.futureResult.get()
  }
}
