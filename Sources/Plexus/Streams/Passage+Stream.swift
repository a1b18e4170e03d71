import DatagramSockets
import HolePunching
import Identity
import NIOCore
import SecureStreams
import Tubus

extension Passage {
  /// Turns the passage into a stream. Its socket becomes the stream's and is never closed and bound again.
  ///
  /// The stream is encrypted by TLS 1.3 between the two identities where ``isSecurable``. The inviter connects, the acceptor waits for it.
  ///
  /// - Throws: ``PlexusError`` (`notSecure`, `notAuthenticated`, `streamBroken`), or `CancellationError`. The socket is closed then. Where there is a
  ///   stream already, `invalidOption`, and it goes on.
  public func openStream() async throws -> PassageStream {
    let stream = try await openStream(connecting: role == .inviting)
    if !stream.isEncrypted { telemetry.tell(.streamObscured(peer: stream.peer)) }
    return stream
  }

  /// - Parameter isConnecting: whether this side begins; the other must not.
  func openStream(connecting isConnecting: Bool) async throws -> PassageStream {
    // What is open already is not to be closed for that.
    guard use.begin() else {
      throw PlexusError(
        .invalidOption, "the passage to \(description.peer) carries a stream already or was closed",
        advice: "open one stream on each passage")
    }
    do { return try await makeStream(connecting: isConnecting) } catch {
      await socket.close()
      throw PlexusError.describing(error)
    }
  }

  private func makeStream(connecting isConnecting: Bool) async throws -> PassageStream {
    guard plexus.configuration.purpose == .streams else {
      throw PlexusError(
        .invalidOption, "the passage was made for datagrams", advice: "set the configuration's purpose to streams")
    }
    let isKept = isSecurable && plexus.canContinueStreams
    let configuration = tubusConfiguration(isKept: isKept)
    let endpoint = try await TubusEndpoint(adopting: socket)
    do {
      let prepared =
        isConnecting
        ? try await endpoint.connect(to: description.alien, configuration, initializer: Self.prepare)
        : try await accepted(by: endpoint, configuration)
      let tubus = prepared.channel
      let path = StreamPath(channel: tubus, endpoint: endpoint, passage: self)
      do {
        if isSecurable {
          try await PeerTLS(
            own: plexus.identity, peer: identity, application: plexus.configuration.application
          ).secure(tubus, as: isConnecting ? .client : .server)
        }
      } catch {
        tubus.triggerUserOutboundEvent(TubusAbort(), promise: nil)
        throw error
      }
      if isKept { plexus.streams.add(path) }
      tubus.closeFuture.whenComplete { [streams = plexus.streams] _ in streams.remove(path) }
      return PassageStream(
        channel: tubus, reader: prepared.reader, path: path, isEncrypted: isSecurable,
        plexus: isKept && role == .inviting ? plexus : nil)
    } catch {
      await endpoint.close()
      throw error
    }
  }

  private func tubusConfiguration(isKept: Bool) -> TubusConfiguration {
    var configuration = TubusConfiguration()
    configuration.secret = description.secret.value
    // The handshake has shown that both are there.
    configuration.linkTimeout = .seconds(10)
    // A stream is worth a datagram each second: a NAT that lost its mapping has a new one after that, and a peer that was started again
    // at once is met again within five seconds. Each side's ping and its answer to the other's make eight that have to get lost.
    configuration.keepaliveInterval = .seconds(1)
    // What can be carried on is held for as long as a laptop needs from one network to the next, as TCP would.
    configuration.silenceTimeout = isKept ? .seconds(300) : .seconds(4)
    return configuration
  }

  private func accepted(
    by endpoint: TubusEndpoint, _ configuration: TubusConfiguration
  ) async throws -> PreparedStream {
    let stream = try await endpoint.listen(configuration, for: description.alien, initializer: Self.prepare)
    let accepted = try await withThrowingTaskGroup(of: PreparedStream?.self) { group in
      group.addTask { await stream.first { _ in true } }
      group.addTask {
        try await Task.sleep(for: configuration.linkTimeout)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    try Task.checkCancellation()
    guard let accepted else { throw TubusEnding.notLinked }
    return accepted
  }

  /// Unsent bytes that a stream may hold: less, and the path runs dry between two turns of the event loop; more, and what a small
  /// stream of a wormhole says waits longer behind what a large one said before.
  private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 128 << 10, high: 256 << 10)

  /// A tubus stream with what reads it, which is there before anything can come or end.
  private struct PreparedStream: Sendable {
    let channel: any Channel
    let reader: NIOLoopBound<StreamReader>
  }

  @Sendable private static func prepare(_ channel: any Channel) -> EventLoopFuture<PreparedStream> {
    channel.eventLoop.makeCompletedFuture {
      try channel.syncOptions?.setOption(.autoRead, value: false)
      try channel.syncOptions?.setOption(.writeBufferWaterMark, value: waterMark)
      let reader = StreamReader()
      try channel.pipeline.syncOperations.addHandler(reader)
      return PreparedStream(channel: channel, reader: NIOLoopBound(reader, eventLoop: channel.eventLoop))
    }
  }
}
