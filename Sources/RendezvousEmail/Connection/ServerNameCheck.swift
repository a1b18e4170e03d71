import NIOCore
import NIOSSL
import NIOTLS
import SwiftASN1
import X509

/// Checks, once TLS is there, that the server's certificate is for the name that was asked for.
///
/// NIOSSL checks it too, but is content as well with a certificate for the address that the name led to: whoever can answer for the
/// name service, and has a certificate for an address of his own, would get the password.
final class ServerNameCheck: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let endpoint: MailEndpoint

  init(_ endpoint: MailEndpoint) { self.endpoint = endpoint }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event, !isForName(context) {
      context.fireErrorCaught(NIOSSLExtraError.failedToValidateHostname)
      return context.close(promise: nil)
    }
    context.fireUserInboundEventTriggered(event)
  }

  private func isForName(_ context: ChannelHandlerContext) -> Bool {
    guard let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self),
      let der = try? handler.peerCertificate?.toDERBytes(),
      let certificate = try? Certificate(derEncoded: der),
      let names = try? certificate.extensions.subjectAlternativeNames
    else { return false }
    return names.contains { name in
      if case .dnsName(let pattern) = name { Self.matches(endpoint.host, pattern) } else { false }
    }
  }

  /// RFC 9525, section 6.3: without regard to case, and a star stands for one whole label at the left.
  static func matches(_ host: String, _ pattern: String) -> Bool {
    var host = host.lowercased().split(separator: ".", omittingEmptySubsequences: false)
    if host.last?.isEmpty == true { host.removeLast() }
    let pattern = pattern.lowercased().split(separator: ".", omittingEmptySubsequences: false)
    guard host.count == pattern.count, !host.contains("") else { return false }
    guard pattern.first == "*" else { return host == pattern }
    return host.count > 2 && host.dropFirst() == pattern.dropFirst()
  }
}
