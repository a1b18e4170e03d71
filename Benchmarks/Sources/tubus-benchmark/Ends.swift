import ArgumentParser
import Datagrams
@preconcurrency import Glibc
import NIOCore
import Tubus

struct Receive: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Accepts streams and counts what they bring.")

  @Option(help: "Where to listen, address:port.") var listen: String
  @Option(help: "The secret.") var secret: UInt64 = 0
  @Option(help: "Seconds, from the first stream on.") var seconds = 10

  func run() async throws {
    setvbuf(stdout, nil, _IOLBF, 0)
    guard let local = Endpoint(listen) else { throw ValidationError("--listen wants address:port") }
    var configuration = TubusConfiguration()
    configuration.secret = secret
    let endpoint = try await TubusEndpoint.bind(to: local)
    let sink = Sink()
    let accepted = try await endpoint.listen(configuration) { channel in channel.pipeline.addHandler(sink) }
    print("listening on \(endpoint.localEndpoint)")
    // The sequence is what listens.
    var streams = accepted.makeAsyncIterator()
    _ = await streams.next()
    let rate = try await sink.report(seconds: seconds, label: "  ")
    print("mean \(megabits(rate)) Mbit/s")
    await endpoint.close()
  }
}

struct Send: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Connects and sends for a time.")

  @Option(help: "Where to, address:port.") var to: String
  @Option(help: "The secret.") var secret: UInt64 = 0
  @Option(help: "Seconds.") var seconds = 10
  @Option(help: "Congestion control: bbr or cubic.") var congestion = "bbr"

  func run() async throws {
    guard let peer = Endpoint(to) else { throw ValidationError("--to wants address:port") }
    guard let control = CongestionControl(rawValue: congestion) else { throw ValidationError("bbr or cubic") }
    var configuration = TubusConfiguration()
    configuration.secret = secret
    configuration.congestionControl = control
    let endpoint = try await TubusEndpoint.bind(to: .any(peer.address.family))
    let channel = try await endpoint.connect(to: peer, configuration) { channel in
      channel.pipeline.addHandler(Source()).map { channel }
    }
    try await Task.sleep(for: .seconds(seconds))
    print("\(try await channel.getOption(.tubusStatistics).get())")
    await endpoint.close()
  }
}
