import ArgumentParser
import DatagramSockets
import Datagrams
import Foundation
import Identity
import NIOCore
import NIOPosix
import SecureStreams
import Synchronization
import Tubus

/// One TLS stream over tubus over loopback, each end on a thread of its own; and what the handshake costs on a long path.
struct SecureStream: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tls", abstract: "TLS 1.3 over a tubus stream on loopback: rate, and round trips until it is secure.")

  @Option(help: "Seconds.") var seconds = 6
  @Option(help: "RSA key size of both identities.") var bits = 3072
  @Option(help: "Milliseconds of round trip, by a relay between the two; the rate is not measured then.")
  var roundTrip = 0

  func run() async throws {
    let (one, other) = try identities()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let local = Endpoint(address: .v4(0x7F00_0001), port: 0)
    let receiver = try await TubusEndpoint.bind(to: local, on: group.next())
    let sender = try await TubusEndpoint.bind(to: local, on: group.next())
    let prepare: @Sendable (any Channel) -> EventLoopFuture<any Channel> = { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.syncOptions?.setOption(.autoRead, value: false)
        return channel
      }
    }
    var configuration = TubusConfiguration()
    configuration.secret = 0x1234_5678_9ABC_DEF0
    let accepted = try await receiver.listen(configuration, initializer: prepare)
    let relay = try await DelayingRelay(to: receiver.localEndpoint, delay: .milliseconds(Int64(roundTrip) / 2))
    let relaying = Task { try await relay.run() }
    defer { relaying.cancel() }
    let start = ContinuousClock.now
    let client = try await sender.connect(
      to: roundTrip > 0 ? relay.endpoint : receiver.localEndpoint, configuration, initializer: prepare)
    guard let server = await accepted.first(where: { _ in true }) else { return }
    let linked = ContinuousClock.now
    async let served: Void = PeerTLS(own: other, peer: one.identity, application: "benchmark").secure(
      server, as: .server)
    try await PeerTLS(own: one, peer: other.identity, application: "benchmark").secure(client, as: .client)
    try await served
    let (link, secure) = (start.duration(to: linked), linked.duration(to: .now))
    print("linked in \(link), secure after \(secure) more (RSA \(bits), round trip \(roundTrip) ms)")
    if roundTrip == 0 { try await measureRate(from: client, to: server) }
    await sender.close()
    await receiver.close()
    try await group.shutdownGracefully()
  }

  private func measureRate(from client: any Channel, to server: any Channel) async throws {
    let sink = ByteSink()
    try await server.pipeline.addHandler(sink).get()
    try await server.setOption(.autoRead, value: true).get()
    try await client.pipeline.addHandler(ByteSource()).get()
    try await Task.sleep(for: .seconds(1))
    let (begin, from) = (ContinuousClock.now, sink.bytes.load(ordering: .relaxed))
    try await Task.sleep(for: .seconds(seconds))
    let count = sink.bytes.load(ordering: .relaxed) - from
    let rate = Double(count) * 8 / (begin.duration(to: .now) / .seconds(1))
    print("TLS 1.3 over obscured tubus on loopback: \(Int(rate / 1e6)) Mbit/s over \(seconds) s")
  }

  private func identities() throws -> (OwnIdentity, OwnIdentity) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plexus-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let repository = try ApplicationRepository(path: folder)
    return (
      try repository.create(IdentityName("one@example.org/a"), options: NewIdentityOptions(bits: bits)),
      try repository.create(IdentityName("two@example.org/b"), options: NewIdentityOptions(bits: bits))
    )
  }
}

/// Carries datagrams between a server and whoever sends first, each after half of a round trip.
private struct DelayingRelay: Sendable {
  private let socket: UDPSocket
  private let server: Endpoint
  private let delay: TimeAmount

  var endpoint: Endpoint { socket.localEndpoint }

  init(to server: Endpoint, delay: TimeAmount) async throws {
    socket = try await UDPSocket.bind(to: Endpoint(address: .v4(0x7F00_0001), port: 0))
    (self.server, self.delay) = (server, delay)
  }

  func run() async throws {
    var client: Endpoint?
    while let datagram = try await socket.receive(until: .distantFuture) {
      if datagram.source != server { client = datagram.source }
      guard let target = datagram.source == server ? client : server else { continue }
      let transmit = Transmit(to: target, payload: datagram.payload)
      socket.eventLoop.scheduleTask(in: delay) { [socket] in Task { try await socket.send(transmit) } }
    }
    await socket.close()
  }
}

private final class ByteSource: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  private let block = ByteBuffer(repeating: 0x5A, count: 262_144)

  func handlerAdded(context: ChannelHandlerContext) { fill(context) }
  func channelWritabilityChanged(context: ChannelHandlerContext) { fill(context) }

  private func fill(_ context: ChannelHandlerContext) {
    while context.channel.isWritable { context.writeAndFlush(NIOAny(block), promise: nil) }
  }
}

private final class ByteSink: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  let bytes = Atomic<Int>(0)

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    bytes.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
  }
}
