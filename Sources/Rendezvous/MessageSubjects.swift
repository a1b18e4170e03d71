/// The words that say what a message is: part of the key in the DHT, and of the subject of a mail.
public struct MessageSubjects: Hashable, Sendable {
  /// Inviter to acceptor.
  public var invite: String
  /// Acceptor to inviter.
  public var accept: String
  /// A presence notice.
  public var advent: String
  /// Acceptor to inviter: why it cannot serve. Our extension; the reference never looks there.
  public var decline: String

  /// The word for the companions of messages of this kind. Our extension as well.
  public func companion(of subject: String) -> String { "\(subject)-companion" }

  /// The words of the reference.
  public init(
    invite: String = "invite", accept: String = "accept", advent: String = "advent", decline: String = "decline"
  ) {
    self.invite = invite
    self.accept = accept
    self.advent = advent
    self.decline = decline
  }

  /// The words with what the environment changes: PLEXUS_INVITE_TOKEN, PLEXUS_ACCEPT_TOKEN, PLEXUS_ADVENT_TOKEN.
  public init(environment: [String: String]) {
    self.init()
    if let word = environment["PLEXUS_INVITE_TOKEN"], !word.isEmpty { invite = word }
    if let word = environment["PLEXUS_ACCEPT_TOKEN"], !word.isEmpty { accept = word }
    if let word = environment["PLEXUS_ADVENT_TOKEN"], !word.isEmpty { advent = word }
  }
}
