import Glibc
import NIOCore
import NIOHTTP1
import Plexus

/// Asks for one page and writes it to standard output.
func get(_ path: String, over stream: PassageStream) async throws {
  let connection = try await stream.channel.eventLoop.submit {
    try stream.channel.pipeline.syncOperations.addHTTPClientHandlers()
    return try NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>(
      wrappingChannelSynchronously: stream.channel)
  }.get()
  try await stream.channel.setOption(.autoRead, value: true).get()
  try await connection.executeThenClose { responses, requests in
    var request = HTTPRequestHead(version: .http1_1, method: .GET, uri: path)
    request.headers = ["host": stream.peer.pin, "connection": "close"]
    try await requests.write(.head(request))
    try await requests.write(.end(nil))
    for try await part in responses {
      switch part {
      case .head(let response):
        guard response.status == .ok else {
          throw HTTPFailure("\(stream.peer) has no \(path): \(response.status.code) \(response.status.reasonPhrase)")
        }
      case .body(let bytes): try show(bytes)
      case .end: return
      }
    }
    throw HTTPFailure("\(stream.peer) ended the stream before all of \(path) was there; try again")
  }
}

/// Writes bytes to standard output as they are.
private func show(_ bytes: ByteBuffer) throws {
  var bytes = bytes
  while bytes.readableBytes > 0 {
    let count = bytes.withUnsafeReadableBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    guard count > 0 else { throw HTTPFailure("the page cannot be written: \(String(cString: strerror(errno)))") }
    bytes.moveReaderIndex(forwardBy: count)
  }
}
