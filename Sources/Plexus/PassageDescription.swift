import Datagrams
import Identity
import LibC

/// What is known about a passage: who is at its ends, and where.
public struct PassageDescription: Sendable {
  /// The own identity.
  public var host: IdentityName
  /// The identity at the other end.
  public var peer: IdentityName
  /// The local endpoint that was punched, as it was bound.
  public var inner: Endpoint
  /// The own public endpoint, as the NAT shows it.
  public var outer: Endpoint
  /// The peer's public endpoint.
  public var alien: Endpoint
  /// The number that only the two peers know. It obscures the handshake and may obscure the payload's traffic.
  public var secret: PassageSecret
  /// Where the application repository keeps the files of both identities.
  public var files: Files

  /// Paths of the identities' files.
  public struct Files: Sendable {
    /// The own certificate, PEM.
    public var hostCertificate: String
    /// The own private key, PEM.
    public var hostKey: String
    /// The peer's certificate, PEM.
    public var peerCertificate: String

    /// Absolute paths, because a payload may run in another folder.
    init(of host: IdentityName, and peer: IdentityName, in repository: ApplicationRepository) {
      func absolute(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
      }
      hostCertificate = absolute(repository.certificatePath(host))
      hostKey = absolute(repository.keyPath(host))
      peerCertificate = absolute(repository.certificatePath(peer))
    }

    init(hostCertificate: String, hostKey: String, peerCertificate: String) {
      self.hostCertificate = hostCertificate
      self.hostKey = hostKey
      self.peerCertificate = peerCertificate
    }
  }
}

/// The 64-bit number that two peers share: the XOR of their puzzles. Its description hides it, so that no log line tells it.
public struct PassageSecret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// The number itself.
  public var value: UInt64

  /// A secret of this value.
  public init(_ value: UInt64) { self.value = value }

  /// Never the number.
  public var description: String { "(secret)" }
  /// Never the number.
  public var debugDescription: String { description }
  /// Nothing to see, not even for `dump`.
  public var customMirror: Mirror { Mirror(self, children: []) }
}
