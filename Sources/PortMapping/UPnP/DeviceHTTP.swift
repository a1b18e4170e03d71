import Datagrams
import NIOCore
import NIOHTTP1
import NIOPosix

/// One request to the router's web server, whose answer is bounded in time and length.
///
/// Not libminiupnpc's own: that reads for as long as bytes come, and cannot be interrupted.
enum DeviceHTTP {
  struct Answer: Sendable {
    var status: Int
    var body: [UInt8]
  }

  /// Descriptions have some ten kilobytes.
  private static let maximumBody = 128 << 10

  /// - Parameter patience: from the connection's beginning to the answer's end.
  /// - Throws: NIO's errors, `DeviceHTTPError`, `CancellationError`.
  static func ask(
    _ url: DeviceURL, of router: IPAddress, method: HTTPMethod, headers: [(String, String)] = [], body: String = "",
    patience: Duration
  ) async throws -> Answer {
    try Task.checkCancellation()
    var head = HTTPRequestHead(version: .http1_1, method: method, uri: url.path)
    head.headers = HTTPHeaders(
      [("Host", url.host), ("User-Agent", "Plexus UPnP/1.1"), ("Connection", "close")] + headers)
    if method == .POST { head.headers.add(name: "Content-Length", value: "\(body.utf8.count)") }
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let answer = eventLoop.makePromise(of: Answer.self)
    let limit = TimeAmount.nanoseconds(patience.nanoseconds)
    let timer = eventLoop.scheduleTask(in: limit) { answer.fail(DeviceHTTPError.late) }
    let connection = ClientBootstrap(group: eventLoop).connectTimeout(limit)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHTTPClientHandlers()
          try channel.pipeline.syncOperations.addHandler(AnswerReader(answer, limit: maximumBody))
        }
      }
      .connect(host: "\(router)", port: Int(url.port))
    connection.cascadeFailure(to: answer)
    connection.whenSuccess { [head, body] channel in
      channel.write(HTTPClientRequestPart.head(head), promise: nil)
      if !body.isEmpty {
        channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(string: body))), promise: nil)
      }
      channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }
    return try await withTaskCancellationHandler {
      let result: Result<Answer, any Error>
      do { result = .success(try await answer.futureResult.get()) } catch { result = .failure(error) }
      timer.cancel()
      connection.whenSuccess { $0.close(promise: nil) }
      return try result.get()
    } onCancel: {
      eventLoop.execute { answer.fail(CancellationError()) }
    }
  }

  private final class AnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    private let promise: EventLoopPromise<Answer>
    private let limit: Int
    private var answer = Answer(status: 0, body: [])

    init(_ promise: EventLoopPromise<Answer>, limit: Int) { (self.promise, self.limit) = (promise, limit) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head): answer.status = Int(head.status.code)
      case .body(let bytes):
        guard answer.body.count + bytes.readableBytes <= limit else {
          promise.fail(DeviceHTTPError.tooLong)
          return context.close(promise: nil)
        }
        answer.body += bytes.readableBytesView
      case .end: promise.succeed(answer)
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      promise.fail(error)
      context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { promise.fail(DeviceHTTPError.cutOff) }
  }
}

/// What can go wrong besides the connection.
enum DeviceHTTPError: Error, CustomStringConvertible {
  case late, tooLong, cutOff

  var description: String {
    switch self {
    case .late: "its web server does not answer in time"
    case .tooLong: "its web server answers without end"
    case .cutOff: "its web server ends the connection before it has answered"
    }
  }
}
