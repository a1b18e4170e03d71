import ArgumentParser
import Datagrams
import NIOCore
import NIOPosix
import Tubus

/// One stream through the loopback device, each end on a thread of its own.
struct Loopback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "One stream over loopback, in the clear and obscured.")

  @Option(help: "Seconds for each.") var seconds = 5
  @Option(help: "Only with this secret: 0 is in the clear.") var secret: UInt64?
  @Option(help: "Bytes of a full datagram.") var datagramSize = 1406

  func run() async throws {
    for secret in secret.map({ [$0] }) ?? [0, 0x1234_5678_9ABC_DEF0] {
      let rate = try await measure(secret: secret)
      print("\(secret == 0 ? "in the clear" : "obscured"): \(megabits(rate)) Mbit/s")
    }
  }

  private func measure(secret: UInt64) async throws -> Double {
    var configuration = TubusConfiguration()
    configuration.secret = secret
    configuration.maximumDatagramSize = datagramSize
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let local = Endpoint(address: .v4(0x7F00_0001), port: 0)
    let receiver = try await TubusEndpoint.bind(to: local, on: group.next())
    let sender = try await TubusEndpoint.bind(to: local, on: group.next())
    let sink = Sink()
    let accepted = try await receiver.listen(configuration) { channel in
      channel.pipeline.addHandler(sink).map { channel }
    }
    let channel = try await sender.connect(to: receiver.localEndpoint, configuration) { channel in
      channel.pipeline.addHandler(Source()).map { channel }
    }
    let rate = try await sink.report(seconds: seconds, label: "  ")
    print("  \((try? await channel.getOption(.tubusStatistics).get()).map { "\($0)" } ?? "")")
    _ = accepted
    await sender.close()
    await receiver.close()
    try await group.shutdownGracefully()
    return rate
  }
}
