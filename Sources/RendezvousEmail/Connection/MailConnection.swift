import Datagrams
import LibC
import NIOCore
import NIOPosix
import Synchronization

/// A connection to a mail server whose bytes are pulled by one reader at a time.
final class MailConnection: Sendable {
  /// Name service and handshake of TCP; distant servers take one second.
  private static let connectTimeout = Duration.seconds(15)

  private let endpoint: MailEndpoint
  private let tls: MailTLS
  private let channel: any Channel
  private let inbox: NIOLoopBound<ByteInbox>

  /// Connects; where TLS is implicit its handshake is under way then, and fails what is received first.
  ///
  /// - Throws: ``MailError``, or `CancellationError` as soon as the task is cancelled.
  static func open(_ endpoint: MailEndpoint, tls: MailTLS) async throws -> MailConnection {
    let inboxes = Inboxes()
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      // An idle connection crosses NATs that forget after a few minutes; and a server that is gone is noticed.
      .channelOption(.socketOption(.so_keepalive), value: 1)
      .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
      .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 20)
      .channelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 3)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let inbox = ByteInbox(channel: channel)
          inboxes.add(inbox, of: channel)
          try channel.pipeline.syncOperations.addHandler(inbox)
          if endpoint.security == .implicit { try tls.begin(on: channel, to: endpoint) }
        }
      }
    do {
      let channel = try await connect { bootstrap.connect(host: endpoint.host, port: Int(endpoint.port)) }
      guard let inbox = inboxes[channel] else { throw ChannelError.ioOnClosedChannel }
      return MailConnection(endpoint: endpoint, tls: tls, channel: channel, inbox: inbox)
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw MailError(endpoint, error)
    }
  }

  private init(endpoint: MailEndpoint, tls: MailTLS, channel: any Channel, inbox: NIOLoopBound<ByteInbox>) {
    (self.endpoint, self.tls, self.channel, self.inbox) = (endpoint, tls, channel, inbox)
  }

  /// NIO's connecting cannot be cancelled and does not count the name service's time: who comes too late is closed.
  private static func connect(_ start: () -> EventLoopFuture<any Channel>) async throws -> any Channel {
    let connected = ConnectedOnce()
    return try await withTaskCancellationHandler {
      try Task.checkCancellation()
      return try await withCheckedThrowingContinuation { continuation in
        connected.wait(continuation)
        let future = start()
        let timeout = future.eventLoop.scheduleTask(in: .nanoseconds(connectTimeout.nanoseconds)) {
          connected.finish(.failure(ChannelError.connectTimeout(.nanoseconds(connectTimeout.nanoseconds))))
        }
        future.whenComplete { result in
          timeout.cancel()
          if !connected.finish(result), case .success(let channel) = result { channel.close(promise: nil) }
        }
      }
    } onCancel: {
      connected.finish(.failure(CancellationError()))
    }
  }

  /// The local address, for EHLO.
  var localAddress: String? { channel.localAddress?.ipAddress }

  /// What came in; nil once `deadline` has passed without anything, or after ``wake()``.
  ///
  /// - Throws: ``MailError`` when the connection has ended, `CancellationError` when the task is cancelled.
  func receive(until deadline: Instant) async throws -> [UInt8]? {
    let waiter = ByteInbox.WaiterID()
    do {
      return try await withTaskCancellationHandler {
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
          channel.eventLoop.execute { [inbox] in
            inbox.value.wait(for: waiter, until: deadline, resume: continuation)
          }
        }
      } onCancel: { [inbox, channel] in
        channel.eventLoop.execute { inbox.value.cancel(waiter) }
      }
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw MailError(endpoint, error)
    }
  }

  /// Hands bytes to the kernel, or keeps them until it takes them. What fails is told by ``receive(until:)``.
  func send(_ bytes: [UInt8]) {
    channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
  }

  /// Lets ``receive(until:)`` return.
  func wake() {
    channel.eventLoop.execute { [inbox] in inbox.value.wake() }
  }

  /// Begins TLS on a connection that began in the clear. What fails later is told by ``receive(until:)``.
  ///
  /// - Throws: ``MailError`` with code `untrusted` when something has come in that was not pulled: it was said in the clear, so perhaps by
  ///   somebody else, and would be pulled as if it had come by TLS.
  func startTLS() async throws {
    do {
      try await channel.eventLoop.submit { [channel, tls, endpoint, inbox] in
        // In one turn of the event loop: what is read from the socket afterwards goes to TLS.
        guard inbox.value.isEmpty else {
          throw MailError(
            .untrusted,
            "\(endpoint.name) says more in the clear after STARTTLS, as if somebody had put it in; use another network")
        }
        try tls.begin(on: channel, to: endpoint)
      }.get()
    } catch {
      throw MailError(endpoint, error)
    }
  }

  /// Closes the connection, within half a second even where the server is silent. Closing twice does nothing.
  func close() async { try? await channel.close().get() }
}

/// The inboxes of the addresses that are tried; by then the pipeline of one that was closed at once would be empty.
private final class Inboxes: Sendable {
  private let all = Mutex<[ObjectIdentifier: NIOLoopBound<ByteInbox>]>([:])

  func add(_ inbox: ByteInbox, of channel: any Channel) {
    let bound = NIOLoopBound(inbox, eventLoop: channel.eventLoop)
    all.withLock { $0[ObjectIdentifier(channel)] = bound }
  }

  subscript(channel: any Channel) -> NIOLoopBound<ByteInbox>? { all.withLock { $0[ObjectIdentifier(channel)] } }
}

/// The continuation of whoever waits for a connection, resumed once.
private final class ConnectedOnce: Sendable {
  private enum State {
    case idle
    case waiting(CheckedContinuation<any Channel, any Error>)
    case finished((any Error)?)
  }

  private let state = Mutex(State.idle)

  func wait(_ continuation: CheckedContinuation<any Channel, any Error>) {
    let failure: (any Error)? = state.withLock { state in
      if case .finished(let failure) = state { return failure ?? CancellationError() }
      state = .waiting(continuation)
      return nil
    }
    if let failure { continuation.resume(throwing: failure) }
  }

  /// - Returns: whether somebody waited for this result.
  @discardableResult
  func finish(_ result: Result<any Channel, any Error>) -> Bool {
    let waiting: CheckedContinuation<any Channel, any Error>? = state.withLock { state in
      defer {
        if case .failure(let error) = result { state = .finished(error) } else { state = .finished(nil) }
      }
      if case .waiting(let continuation) = state { return continuation }
      return nil
    }
    waiting?.resume(with: result)
    return waiting != nil
  }
}
