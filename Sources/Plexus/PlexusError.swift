/// Why something did not work: what happened, to whom, and what to do next.
///
/// `description` is one sentence for people; `code` is for programs. No secret is ever part of it.
public struct PlexusError: Error, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Code: String, Sendable, CaseIterable {
    /// An option is missing, unknown, or has a value that does not fit.
    case invalidOption
    /// A file or folder is missing or cannot be read.
    case unreadableFile
    /// A file or folder cannot be written, such as those that keep what is remembered.
    case unwritableFile
    /// The application repository holds no such peer.
    case unknownPeer
    /// A certificate or private key is there but cannot be used.
    case unusableIdentity
    /// The local UDP port, or the DHT's, is taken by another program.
    case portTaken
    /// No STUN server told the public address.
    case noSTUNAnswer
    /// A NAT that gives every destination another public port leaves no way: ours and the peer's are of that kind and give ports by no common
    /// rule; or ours is, and the peer, a C++ tool or an early release, can be told one endpoint only.
    case symmetricNAT
    /// The rendezvous network could not be joined.
    case rendezvousUnreachable
    /// The peer did not answer the invitation in time.
    case unanswered
    /// The peer answered that it cannot make a passage, and why.
    case declined
    /// The addresses were exchanged, but no datagrams pass between the two NATs.
    case peerNotReached
    /// As many peers as possible are being served.
    case busy
    /// The peer cannot encrypt a stream, and encryption is required.
    case notSecure
    /// Whoever is at the far end did not prove to be the peer.
    case notAuthenticated
    /// A stream could not be opened, or broke.
    case streamBroken
    /// The payload program could not be started.
    case payloadNotStarted
    /// Something that has no kind of its own; the description says what.
    case other
  }

  /// The kind of failure.
  public var code: Code
  /// What happened, to whom.
  public var message: String
  /// What to do next; empty where the message says it.
  public var advice: String
  /// The error below, if there was one.
  public var cause: (any Error)?

  /// A failure with its sentence.
  public init(_ code: Code, _ message: String, advice: String = "", cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.advice = advice
    self.cause = cause
  }

  /// The message and the advice, in one line.
  public var description: String { advice.isEmpty ? message : "\(message); \(advice)" }
}
