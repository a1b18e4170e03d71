import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

struct SlowClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Seven clients download, then an eighth comes that stops reading: the rate of the seven, and memory.")

  @OptionGroup var programs: ProgramOptions
  @Option(help: "Seconds of each half.") var seconds = 6

  func run() async throws {
    let service = try await serve(programs.port + 2) { Source() }
    let wormholes = try Wormholes(programs, service: programs.port + 2)
    defer { wormholes.end() }
    let total = Counter.Total()
    var clients: [any Channel] = []
    for _ in 0..<7 { clients.append(try await client(wormholes.port, total, isReading: true)) }
    try await Task.sleep(for: .seconds(1))
    let before = try await rate(total)
    let slow = try await client(wormholes.port, total, isReading: false)
    let after = try await rate(total)
    print(String(format: "seven clients: %.2f Gbit/s, beside one that stopped: %.2f Gbit/s", before, after))
    print("peak memory: \(wormholes.memory)")
    for client in clients + [slow] { try? await client.close() }
    try await service.close()
  }

  private func client(_ port: Int, _ total: Counter.Total, isReading: Bool) async throws -> any Channel {
    try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.autoRead, value: isReading)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Counter(total)) }
      }
      .connect(host: "127.0.0.1", port: port).get()
  }

  private func rate(_ total: Counter.Total) async throws -> Double {
    let start = total.bytes.load(ordering: .relaxed)
    let clock = ContinuousClock()
    let time = try await clock.measure { try await Task.sleep(for: .seconds(seconds)) }
    let bytes = total.bytes.load(ordering: .relaxed) - start
    return Double(bytes) * 8 / 1e9 / (Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18)
  }
}
