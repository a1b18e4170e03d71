import Crypto
import Identity
import NIOCore
import NIOSSL
import NIOTLS

/// TLS 1.3 between two identities: each side proves the private key of the very certificate that the other's repository holds.
///
/// No authority is asked and no name is compared: the certificate is pinned, byte by byte. The application's name is negotiated by ALPN
/// (RFC 7301), so that a stream of one application is never taken for another's.
public struct PeerTLS: Sendable {
  /// The two ends of a handshake; one has to be each.
  public enum Side: Sendable {
    /// Speaks first.
    case client
    /// Waits for the other.
    case server
  }

  private let context: NIOSSLContext
  private let peerCertificate: [UInt8]
  private let peer: IdentityName
  private let application: String

  /// How long a handshake may last: two round trips, and a few losses on the way.
  static let timeout: TimeAmount = .seconds(10)

  /// Prepares streams between `own` and `peer`.
  ///
  /// - Parameter application: what the streams are for; both sides have to name the same.
  /// - Throws: ``SecureStreamError`` with code `unusableIdentity`.
  public init(own: OwnIdentity, peer: PeerIdentity, application: String) throws {
    self.peer = peer.name
    self.application = application
    peerCertificate = peer.certificateDER
    do {
      let certificate = try NIOSSLCertificate(bytes: own.identity.certificateDER, format: .der)
      let key = try NIOSSLPrivateKey(bytes: Array(own.privateKeyPEM.utf8), format: .pem)
      var tls = TLSConfiguration.makeServerConfigurationWithMTLS(
        certificateChain: [.certificate(certificate)], privateKey: .privateKey(key), trustRoots: .certificates([]))
      tls.minimumTLSVersion = .tlsv13
      // Replaced by the pin; the name of a certificate means nothing here.
      tls.certificateVerification = .noHostnameVerification
      tls.applicationProtocols = [Self.protocolName(of: application)]
      context = try NIOSSLContext(configuration: tls)
    } catch {
      throw SecureStreamError(
        .unusableIdentity, "the certificate and key of \(own.identity.name) cannot be used for TLS; make a new identity"
      )
    }
  }

  /// ALPN takes 255 bytes; application names may have more.
  static func protocolName(of application: String) -> String {
    let name = "plexus/1/\(application)"
    guard name.utf8.count > 255 else { return name }
    let digest = SHA256.hash(data: Array(application.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    return "plexus/1#\(digest.joined())"
  }

  /// Makes a stream secure; what is read and written from then on is what passes inside.
  ///
  /// Nothing of the peer's is delivered before it has proved who it is. Whoever answers first is done one half of a round trip before the
  /// other has judged it, so a refusal by the other side may show as an error of the stream afterwards.
  ///
  /// What comes right behind the handshake waits until it is asked for, or is delivered before the end of the stream, if that comes first.
  ///
  /// - Parameter channel: a stream that nobody reads yet, with `autoRead` off. Handlers that are there already stand behind TLS from then on.
  /// - Throws: ``SecureStreamError``; the stream is then to be closed.
  public func secure(_ channel: any Channel, as side: Side) async throws {
    let done = channel.eventLoop.makePromise(of: String?.self)
    let protocolName = Self.protocolName(of: application)
    do {
      try await channel.eventLoop.submit {
        let pipeline = channel.pipeline.syncOperations
        let tls: any ChannelHandler =
          switch side {
          case .client:
            try NIOSSLClientHandler(
              context: context, serverHostname: nil, customVerificationCallback: judge, configuration: .init())
          case .server:
            NIOSSLServerHandler(context: context, customVerificationCallback: judge, configuration: .init())
          }
        try pipeline.addHandler(tls, position: .first)
        try pipeline.addHandler(SecureStreamGate(done: done, protocolName: protocolName), position: .after(tls))
      }.get()
    } catch {
      done.fail(error)
    }
    let name: String?
    do {
      name = try await withTaskCancellationHandler {
        try await done.futureResult.get()
      } onCancel: {
        // The gate ends at once; a goodbye would wait for the far end.
        channel.pipeline.fireErrorCaught(CancellationError())
        channel.close(promise: nil)
      }
    } catch {
      try Task.checkCancellation()
      throw failure(error)
    }
    guard name == protocolName else {
      throw SecureStreamError(
        .otherApplication, "\(peer) did not agree to speak \(application); give both sides the same application id")
    }
  }

  @Sendable private func judge(
    _ chain: [NIOSSLCertificate], _ verdict: EventLoopPromise<NIOSSLVerificationResult>
  ) {
    let isPinned = (try? chain.first?.toDERBytes()) == peerCertificate
    verdict.succeed(isPinned ? .certificateVerified : .failed)
  }

  private func failure(_ error: any Error) -> any Error {
    switch error {
    case let error as SecureStreamError: error
    case NIOSSLError.handshakeFailed(let cause):
      SecureStreamError(
        .notAuthenticated,
        "whoever answers is not \(peer), or does not hold the certificate of this side (\(cause)); "
          + "compare fingerprints with plexus identity show, and exchange the certificates anew", cause: error)
    default:
      SecureStreamError(
        .broken, "the stream to \(peer) broke before it was secure (\(error)); try again", cause: error)
    }
  }
}

extension SecureStreamError {
  /// The sentence for what a secure stream has ended with; nil where the error is not one of TLS, and speaks for itself.
  package init?(endOfStream error: any Error) {
    switch error {
    case NIOSSLError.uncleanShutdown: self.init(.broken, "the other end went away without a goodbye", cause: error)
    case is NIOSSLError, is BoringSSLError:
      self.init(
        .broken, "something came that is not the other end's: it was changed or made up on the way", cause: error)
    default: return nil
    }
  }
}

/// Why a stream could not be made secure.
public struct SecureStreamError: Error, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Code: String, Sendable {
    /// The own certificate or key cannot be used for TLS.
    case unusableIdentity
    /// The far end did not prove to be the peer, or did not believe that we are who we are.
    case notAuthenticated
    /// The peer speaks for another application.
    case otherApplication
    /// The stream ended, or nothing came, before it was secure; or it ended later, and not in order.
    case broken
  }

  /// The kind of failure.
  public let code: Code
  /// One sentence with advice.
  public let description: String
  /// The error below, if there was one.
  public let cause: (any Error)?

  init(_ code: Code, _ description: String, cause: (any Error)? = nil) {
    (self.code, self.description, self.cause) = (code, description, cause)
  }
}
