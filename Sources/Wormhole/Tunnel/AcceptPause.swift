import LibC
import Logging
import NIOCore

/// Lets a listening port rest when the system has no descriptor for another client.
///
/// The client that could not be taken stays in the kernel's line, so that the port is readable all the time: NIO would try again as fast as
/// the processor can. Its own `AcceptBackoffHandler` only holds back the wish to read, which still stands after an accept that failed. Lives
/// on the port's event loop.
final class AcceptPause: ChannelInboundHandler {
  typealias InboundIn = any Channel

  private let listener: String
  private let logger: Logger
  private var isPausing = false
  private var latestShortage: NIODeadline?

  /// Long enough to cost nothing, short enough that nobody notices that it was not at once.
  static let pause = TimeAmount.milliseconds(100)
  /// At the limit each client that leaves lets another one in and the next shortage begin: all of that is one story for the log.
  private static let episode = TimeAmount.minutes(1)

  /// - Parameter listener: what the log calls the port.
  init(of listener: String, logger: Logger) {
    self.listener = listener
    self.logger = logger
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let code = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) else {
      return context.fireErrorCaught(error)
    }
    let now = NIODeadline.now()
    if latestShortage.map({ $0 + Self.episode < now }) ?? true {
      let problem = String(cString: strerror(code))
      logger.warning(
        "No further client of \(listener) can be taken (\(problem)); those to come wait: let some end, or allow more (ulimit -n)",
        metadata: ["event": "wormhole.listening.paused"])
    }
    latestShortage = now
    guard !isPausing else { return }
    isPausing = true
    let channel = context.channel
    // Also takes back the wish to read that stands.
    try? channel.syncOptions?.setOption(.autoRead, value: false)
    channel.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
      self.isPausing = false
      // A port that was closed meanwhile says no.
      try? channel.syncOptions?.setOption(.autoRead, value: true)
    }
  }
}
