import NIOCore
import NIOHTTP1
import Synchronization
import Testing
import Tubus

/// Handlers that were written for TCP work on a tubus channel unchanged.
@Suite struct HTTPTests {
  private final class Answering: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard case .end = unwrapInboundIn(data) else { return }
      var headers = HTTPHeaders()
      headers.add(name: "content-length", value: "200000")
      context.write(
        wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(repeating: 0x68, count: 200_000)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }

  private final class Asking: ChannelInboundHandler, Sendable {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    struct State {
      var status: HTTPResponseStatus?
      var bodyBytes = 0
      var answers = 0
    }
    let state = Mutex(State())

    func channelActive(context: ChannelHandlerContext) { ask(context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let answers = state.withLock { state in
        switch unwrapInboundIn(data) {
        case .head(let head): state.status = head.status
        case .body(let bytes): state.bodyBytes += bytes.readableBytes
        case .end: state.answers += 1
        }
        return state.answers
      }
      if case .end = unwrapInboundIn(data), answers < 3 { ask(context) }
    }

    private func ask(_ context: ChannelHandlerContext) {
      let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["host": "tubus"])
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }

  @Test func requestsAreAnsweredOverTubus() async throws {
    try await withEndpoints { listener, connector in
      let accepted = try await listener.listen { channel in
        channel.pipeline.configureHTTPServerPipeline().flatMap { channel.pipeline.addHandler(Answering()) }
      }
      let asking = Asking()
      _ = try await connector.connect(to: listener.localEndpoint) { channel in
        channel.pipeline.addHTTPClientHandlers().flatMap { channel.pipeline.addHandler(asking) }
      }
      try await eventually("three answers come") { asking.state.withLock { $0.answers } == 3 }
      asking.state.withLock { state in
        #expect(state.status == .ok)
        #expect(state.bodyBytes == 600_000)
      }
      _ = accepted
    }
  }
}
