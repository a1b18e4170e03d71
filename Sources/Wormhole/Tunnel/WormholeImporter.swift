import Datagrams
import Logging
import NIOCore
import NIOPosix
import Tubus

/// The end of a wormhole that has the clients: it listens for them, and carries their connections through a tunnel to the services of
/// the far end.
///
/// The listening ports stay open while tunnels come and go. Clients that come meanwhile wait for a while, then are refused.
public final class WormholeImporter: Sendable {
  /// What to choose about an importer.
  public struct Configuration: Sendable {
    /// How long a client waits for a tunnel before it is refused. Programs give up on a connection that is taken but silent after ten
    /// to thirty seconds. A tunnel that brings nothing has this time, and two seconds more, to say whether a client's service answers.
    public var clientPatience = Duration.seconds(10)
    /// Clients that may wait for a tunnel at once; each holds a descriptor.
    public var waitingClients = 256
    /// Whether to offer more than the old wire to the far end.
    public var isPlain = false
    /// How long clients that come with a new tunnel wait for the far end to say that it knows more than the old wire. A Swift one says
    /// so at once, so this is for the path's and the machine's moods; with a C++ one it is the first second only that costs anything.
    public var helloPatience = Duration.seconds(1)
    var limits = SessionLimits()
    var features: Hello.Features? { isPlain ? nil : .all }

    /// The defaults.
    public init() {}
  }

  /// The event loop that tunnels have to live on.
  public let eventLoop: any EventLoop
  /// Where clients connect, in the order of the services, with the ports that the kernel gave.
  public let localAddresses: [SocketAddress]
  private let state: NIOLoopBound<ImporterState>
  private let counters: WormholeCounters
  private let listeners: [any Channel]

  /// Starts to listen for the clients of some services.
  ///
  /// - Throws: ``WormholeError`` when an address cannot be listened on.
  public static func listen(
    for services: [ImportedService], configuration: Configuration = .init(),
    on eventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next(), logger: Logger
  ) async throws -> WormholeImporter {
    let counters = WormholeCounters()
    let state = try await eventLoop.submit {
      NIOLoopBound(
        ImporterState(eventLoop: eventLoop, configuration: configuration, counters: counters, logger: logger),
        eventLoop: eventLoop)
    }.get()
    var listeners: [any Channel] = []
    do {
      for service in services {
        listeners.append(try await listen(for: service, state: state, on: eventLoop, logger: logger))
      }
    } catch {
      for listener in listeners { try? await listener.close() }
      throw error
    }
    return WormholeImporter(eventLoop: eventLoop, state: state, counters: counters, listeners: listeners)
  }

  private init(
    eventLoop: any EventLoop, state: NIOLoopBound<ImporterState>, counters: WormholeCounters,
    listeners: [any Channel]
  ) {
    self.eventLoop = eventLoop
    self.state = state
    self.counters = counters
    self.listeners = listeners
    localAddresses = listeners.compactMap(\.localAddress)
  }

  private static func listen(
    for service: ImportedService, state: NIOLoopBound<ImporterState>, on eventLoop: any EventLoop, logger: Logger
  ) async throws -> any Channel {
    let address: SocketAddress
    do { address = try await service.address.resolve() } catch let error as SocketAddressError.UnknownHost {
      throw WormholeError(
        .notListening,
        "cannot listen on \(service.address): \(service.address.host) was not found (\(error.errorDescription)); check the name"
      )
    } catch {
      throw WormholeError(
        .notListening, "cannot listen on \(service.address): \(error); choose an address of this machine")
    }
    do {
      if service.isDatagram {
        return try await DatagramImport.bind(service, at: address, state: state, on: eventLoop)
      }
      return try await TCPSide.prepare(ServerBootstrap(group: eventLoop, childGroup: eventLoop))
        // A crowd of five hundred comes at once.
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.maxMessagesPerRead, value: 64)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .serverChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(AcceptPause(of: "\(service)", logger: logger))
          }
        }
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let side = TCPSide()
            try channel.pipeline.syncOperations.addHandler(side)
            state.value.admit(side, for: service)
          }
        }
        .bind(to: address).get()
    } catch {
      throw WormholeError(
        .notListening,
        "cannot listen on \(service.address): \((error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)")"
          + "; choose another address or port, or end who has it")
    }
  }

  /// Carries clients through a tunnel until it ends. A tunnel that was there before is closed.
  ///
  /// - Parameter tunnel: a stream channel on ``eventLoop`` that was made with `autoRead` off and not read yet. It is closed on the way
  ///   out, also when the task is cancelled.
  /// - Throws: ``WormholeError`` or what the channel ended with; nothing when the far end closed it in order.
  public func run(_ tunnel: any Channel) async throws {
    try await tunnel.runUntilItEnds(on: eventLoop) { [state] end in state.value.begin(tunnel, end: end) }
  }

  /// Takes a client's side, which is in its channel's pipeline already, on ``eventLoop``.
  func admit(_ side: TCPSide, for service: ImportedService) { state.value.admit(side, for: service) }

  /// What it has done so far.
  public var status: WormholeStatus { counters.status }

  /// Closes the listening ports, the tunnel and all clients.
  public func close() async {
    for listener in listeners { try? await listener.close() }
    _ = try? await eventLoop.submit { [state] in state.value.close() }.get()
  }
}

extension Channel {
  /// Lets a handler that fulfils a promise live in the channel, and closes it on the way out.
  func runUntilItEnds(
    on eventLoop: any EventLoop, begin: @Sendable @escaping (EventLoopPromise<Void>) -> Void
  ) async throws {
    guard self.eventLoop === eventLoop else {
      try? await close()
      throw WormholeError(
        .tunnelImpossible, "the tunnel lives on another event loop than its wormhole; make it on that one")
    }
    let end = eventLoop.makePromise(of: Void.self)
    eventLoop.execute { begin(end) }
    try await withTaskCancellationHandler {
      try await end.futureResult.get()
    } onCancel: {
      close(promise: nil)
      // Over a path that is dead no goodbye arrives, and the stream would wait for minutes.
      eventLoop.scheduleTask(in: .seconds(1)) { self.triggerUserOutboundEvent(TubusAbort(), promise: nil) }
    }
    try Task.checkCancellation()
  }
}

extension HostAndPort {
  /// The address to bind or connect to; names are looked up.
  func resolve() async throws -> SocketAddress {
    if let address = IPAddress(host) {
      return try SocketAddress(packedIPAddress: ByteBuffer(bytes: address.bytes), port: Int(port ?? 0))
    }
    // Blocks, so it goes where blocking is allowed.
    return try await NIOThreadPool.singleton.runIfActive { [host, port] in
      try SocketAddress.makeAddressResolvingHost(host, port: Int(port ?? 0))
    }
  }
}
