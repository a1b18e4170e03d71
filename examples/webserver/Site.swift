import ExampleSupport
import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import Plexus

/// A folder as a web site: GET and HEAD of what is in it, and of nothing else.
struct Site: Sendable {
  /// Without symbolic links, so that paths in it can be told from others.
  private let root: String

  init(folder: String) throws {
    guard let path = Self.resolved(folder) else { throw HTTPFailure("there is no folder \(folder); make it") }
    root = path
  }

  /// Answers requests until the peer closes the stream.
  func serve(_ stream: PassageStream) async throws {
    let connection = try await stream.channel.eventLoop.submit {
      try stream.channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
      return try NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>(
        wrappingChannelSynchronously: stream.channel)
    }.get()
    // Streams read only when they are told; from here on the connection tells when.
    try await stream.channel.setOption(.autoRead, value: true).get()
    try await connection.executeThenClose { requests, responses in
      for try await part in requests {
        guard case .head(let request) = part else { continue }
        try await answer(request, of: stream.peer, by: responses)
        if !request.isKeepAlive { break }
      }
    }
  }

  private func answer(
    _ request: HTTPRequestHead, of peer: IdentityName,
    by responses: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
  ) async throws {
    guard request.method == .GET || request.method == .HEAD else {
      return try await refuse(.methodNotAllowed, request, peer, responses)
    }
    guard let path = path(of: request.uri), let file = try? await DiskFile.reading(path) else {
      return try await refuse(.notFound, request, peer, responses)
    }
    say("\(peer): \(request.method) \(printable(request.uri)), \(file.size) bytes")
    let headers: HTTPHeaders = ["content-length": "\(file.size)", "content-type": Self.type(of: path)]
    try await responses.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)))
    var left = request.method == .HEAD ? 0 : file.size
    while left > 0 {
      let bytes = try await file.read(upTo: Int(min(left, 1 << 16)))
      guard bytes.readableBytes > 0 else { throw HTTPFailure("\(path) became shorter while it was read") }
      left -= UInt64(bytes.readableBytes)
      try await responses.write(.body(.byteBuffer(bytes)))
    }
    try await responses.write(.end(nil))
  }

  private func refuse(
    _ status: HTTPResponseStatus, _ request: HTTPRequestHead, _ peer: IdentityName,
    _ responses: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
  ) async throws {
    say("\(peer): \(request.method) \(printable(request.uri)), \(status.code)")
    let text = ByteBuffer(string: "\(status.reasonPhrase)\n")
    let headers: HTTPHeaders = ["content-length": "\(text.readableBytes)", "content-type": "text/plain"]
    try await responses.write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers)))
    if request.method != .HEAD { try await responses.write(.body(.byteBuffer(text))) }
    try await responses.write(.end(nil))
  }

  /// The file that a request means; nil where it would be outside of the folder.
  private func path(of uri: String) -> String? {
    let encoded = uri.prefix { $0 != "?" && $0 != "#" }
    guard encoded.hasPrefix("/"), let name = String(encoded).removingPercentEncoding, !name.utf8.contains(0),
      let path = Self.resolved(root + name), path == root || path.hasPrefix(root + "/")
    else { return nil }
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder else { return path }
    return self.path(of: encoded.hasSuffix("/") ? "\(encoded)index.html" : "\(encoded)/index.html")
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func type(of path: String) -> String {
    switch path.split(separator: ".").last {
    case "html": "text/html; charset=utf-8"
    case "css": "text/css; charset=utf-8"
    case "js": "text/javascript; charset=utf-8"
    case "txt", "md": "text/plain; charset=utf-8"
    case "png": "image/png"
    case "jpg", "jpeg": "image/jpeg"
    case "svg": "image/svg+xml"
    default: "application/octet-stream"
    }
  }
}
