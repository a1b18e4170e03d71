import FoundationEssentials
import Identity
import LibC
import Logging
import Rendezvous
import Synchronization

/// Tells the mails that are for us from all others in the inbox, opens them, and hands them to those who wait.
final class MailDesk: Sendable {
  /// Whoever waits for invites to an application, or for presence notices.
  struct Listener: Sendable {
    enum Purpose: Sendable {
      case invites(@Sendable (Invitation) -> Void)
      case advents(@Sendable (Advent) -> Void)
    }

    let application: String
    let peers: IdentityPattern
    let purpose: Purpose
  }

  /// An invite that waits for its answer.
  struct Pending: Sendable {
    let peer: PeerIdentity
    let application: String
    let puzzle: UInt64
    let messageID: String
    let deliver: @Sendable (Answer) -> Void
  }

  /// What an answer needs to know of the mail that it answers.
  struct Origin: Sendable {
    let messageID: String?
    let understood: [String]
  }

  private struct State {
    var listeners: [Int: Listener] = [:]
    var pending: [Int: Pending] = [:]
    var next = 0
    var origins: [UInt64: Origin] = [:]
    var originOrder: [UInt64] = []
  }

  /// Longer mails are none of ours: those of the reference have 3 KB with small keys, 6 KB with the largest.
  static let sizeLimit = IMAPResponseParser.literalLimit
  /// Clocks of mail servers may differ from ours by minutes, and an invite is of no use after one.
  private static let ageLimit: TimeInterval = 15 * 60
  /// Invites that may wait for their answer at once.
  private static let originsAtMost = 1024

  private let own: PeerIdentity
  private let repository: ApplicationRepository
  private let subjects: MessageSubjects
  private let sealer: SMIMESealer
  private let memory: ReplayMemory
  private let logger: Logger
  private let now: @Sendable () -> Date
  private let state = Mutex(State())

  init(
    own: PeerIdentity, repository: ApplicationRepository, subjects: MessageSubjects, sealer: SMIMESealer,
    memory: ReplayMemory, logger: Logger, now: @escaping @Sendable () -> Date = { Date() }
  ) {
    (self.own, self.repository, self.subjects, self.sealer) = (own, repository, subjects, sealer)
    (self.memory, self.logger, self.now) = (memory, logger, now)
  }

  // MARK: Who waits

  func add(_ listener: Listener) -> Int {
    state.withLock { state in
      state.next += 1
      state.listeners[state.next] = listener
      return state.next
    }
  }

  func add(_ pending: Pending) -> Int {
    state.withLock { state in
      state.next += 1
      state.pending[state.next] = pending
      return state.next
    }
  }

  func remove(_ number: Int) {
    state.withLock { state in
      state.listeners[number] = nil
      state.pending[number] = nil
    }
  }

  /// The mail of the invitation with this number, as long as it is among the last thousand.
  func origin(of invitation: UInt64) -> Origin? { state.withLock { $0.origins[invitation] } }

  // MARK: Mails

  /// Whether a mail is to be fetched. One that seemed to be for us and is not costs a log line.
  func wants(_ summary: IMAPSummary) -> Bool { addressee(of: summary) != nil }

  /// Opens a mail and hands it over.
  ///
  /// - Returns: whether it was used up.
  func take(_ summary: IMAPSummary, _ content: IMAPFetch.Content) -> Bool {
    guard let (card, addressee) = addressee(of: summary) else { return false }
    do throws(MailDropReason) {
      guard case .bytes(let bytes) = content, bytes.count < Self.sizeLimit else { throw .oversized(summary.size ?? 0) }
      switch addressee {
      case .listeners(let listeners, let peer):
        try take(bytes, of: peer, card: card, uid: summary.uid, for: listeners)
      case .pending(let pending, isDecline: false): try take(accept: bytes, for: pending)
      case .pending(let pending, isDecline: true): try take(decline: bytes, for: pending)
      }
      return true
    } catch {
      drop(summary, card, error)
      return false
    }
  }

  private enum Addressee {
    case listeners([Listener], PeerIdentity)
    case pending(Pending, isDecline: Bool)
  }

  private func addressee(of summary: IMAPSummary) -> (MailCard, Addressee)? {
    // Others' mails in the inbox are nobody's business: no line is written about them.
    guard let card = MailCard(header: summary.header), card.to.isSame(as: own.name), !card.from.isSame(as: own.name)
    else {
      return nil
    }
    let subject = card.subject
    let (listeners, pending) = state.withLock { (Array($0.listeners.values), Array($0.pending.values)) }
    do throws(MailDropReason) {
      let hearing = listeners.filter { subject == "\($0.application) \(word(of: $0))" }
      let accepted = pending.filter { subject == "\($0.application) \(subjects.accept)" }
      let declined = pending.filter { subject == "\($0.application) \(subjects.decline)" }
      guard !hearing.isEmpty || !accepted.isEmpty || !declined.isEmpty else { return nil }
      if let date = summary.internalDate.flatMap(Self.date), now().timeIntervalSince(date) > Self.ageLimit {
        throw .stale
      }
      if let size = summary.size, size >= Self.sizeLimit { throw .oversized(size) }
      if !hearing.isEmpty { return (card, try addressee(card, hearing)) }
      let isDecline = accepted.isEmpty
      return (card, .pending(try match(card, isDecline ? declined : accepted), isDecline: isDecline))
    } catch {
      drop(summary, card, error)
      return nil
    }
  }

  private func word(of listener: Listener) -> String {
    switch listener.purpose {
    case .invites: subjects.invite
    case .advents: subjects.advent
    }
  }

  private func addressee(_ card: MailCard, _ listeners: [Listener]) throws(MailDropReason) -> Addressee {
    guard let name = try? IdentityName(owner: card.from.owner, pin: card.from.pin) else { throw .unknownSender }
    let listeners = listeners.filter { $0.peers.matches(name) }
    guard !listeners.isEmpty, let peer = try? repository.peer(name) else { throw .unknownSender }
    return .listeners(listeners, peer)
  }

  private func match(_ card: MailCard, _ pending: [Pending]) throws(MailDropReason) -> Pending {
    let ofPeer = pending.filter { card.from.isSame(as: $0.peer.name) }
    guard let first = ofPeer.first else { throw .notFromPeer }
    // The reference does not say what it answers: then it is the only question, or the first.
    guard let answered = card.answered else { return first }
    guard let asked = ofPeer.first(where: { $0.messageID == answered }) else { throw .otherInvite }
    return asked
  }

  // MARK: Messages

  /// Hands a message to all who wait for messages of its subject.
  private func take(
    _ bytes: [UInt8], of peer: PeerIdentity, card: MailCard, uid: UInt32, for listeners: [Listener]
  ) throws(MailDropReason) {
    var inviting: [(String, @Sendable (Invitation) -> Void)] = []
    var announcing: [(String, @Sendable (Advent) -> Void)] = []
    for listener in listeners {
      switch listener.purpose {
      case .invites(let deliver): inviting.append((listener.application, deliver))
      case .advents(let deliver): announcing.append((listener.application, deliver))
      }
    }
    if !inviting.isEmpty { try take(invite: bytes, of: peer, card: card, uid: uid, for: inviting) }
    if !announcing.isEmpty { try take(advent: bytes, of: peer, for: announcing) }
  }

  private func take(
    advent bytes: [UInt8], of peer: PeerIdentity, for listeners: [(String, @Sendable (Advent) -> Void)]
  ) throws(MailDropReason) {
    let (line, signature) = try sealer.openWhole(MIMEEntity(bytes[...]), from: peer)
    guard AdventNotice.isNotice(line) else { throw .malformed("it is no presence notice") }
    guard memory.isNew(message: signature, of: peer.certificateID, logger: logger) else { throw .replay }
    for (application, deliver) in listeners { deliver(Advent(peer: peer, application: application)) }
  }

  private func take(
    invite bytes: [UInt8], of peer: PeerIdentity, card: MailCard, uid: UInt32,
    for listeners: [(String, @Sendable (Invitation) -> Void)]
  ) throws(MailDropReason) {
    let message = try message(in: bytes, of: peer)
    let id = UInt64(uid)
    state.withLock { state in
      if state.origins.updateValue(Origin(messageID: card.messageID, understood: card.understood), forKey: id) == nil {
        state.originOrder.append(id)
      }
      if state.originOrder.count > Self.originsAtMost { state.origins[state.originOrder.removeFirst()] = nil }
    }
    for (application, deliver) in listeners {
      let reference = try message.reference(.invite, for: application, to: own, now: unixSeconds)
      deliver(Invitation(peer: peer, application: application, id: id, reference: reference))
    }
  }

  private func take(accept bytes: [UInt8], for pending: Pending) throws(MailDropReason) {
    let message = try message(in: bytes, of: pending.peer)
    let kind = CompanionMessage.Kind.accept(question: pending.puzzle)
    pending.deliver(.accept(try message.reference(kind, for: pending.application, to: own, now: unixSeconds)))
  }

  private func take(decline bytes: [UInt8], for pending: Pending) throws(MailDropReason) {
    guard let notice = DeclineNotice(line: try sealer.open(MIMEEntity(bytes[...]), from: pending.peer)) else {
      throw .malformed("it is no notice")
    }
    guard notice.puzzle == pending.puzzle else { throw .otherInvite }
    pending.deliver(.decline(notice.reason))
  }

  private func message(in bytes: [UInt8], of peer: PeerIdentity) throws(MailDropReason) -> OpenedMessage {
    let (text, companion) = try sealer.openBoth(MIMEEntity(bytes[...]), from: peer)
    let line: Reference
    do throws(ReferenceError) { line = try Reference(line: text) } catch { throw .malformed(error.description) }
    guard memory.isNew(line.puzzle, of: peer.certificateID, logger: logger) else { throw .replay }
    return OpenedMessage(peer: peer, line: line, companion: companion)
  }

  private var unixSeconds: UInt64 { UInt64(clamping: Int64(now().timeIntervalSince1970)) }

  // MARK: Log

  /// The one line that such a mail is worth. What two processes of one identity see of each other is no news.
  private func drop(_ summary: IMAPSummary, _ card: MailCard, _ reason: MailDropReason) {
    let level: Logger.Level =
      switch reason {
      case .stale, .otherInvite, .notFromPeer: .debug
      case .unknownSender: .info
      case .oversized, .notEncrypted, .notSigned, .notForUs, .untrusted, .malformed, .replay: .warning
      }
    let from = card.from.field.printable(limit: 120)
    logger.log(
      level: level, "Mail from \(from) is left alone: \(reason.text)",
      metadata: [
        "event": "mail.dropped", "reason": "\(reason.text)", "from": "\(from)", "uid": "\(summary.uid)",
        "bytes": "\(summary.size ?? 0)",
      ])
  }

  /// INTERNALDATE: `17-Jul-1996 02:44:25 -0700` (RFC 9051, section 9); nil for what is none.
  static func date(_ text: String) -> Date? {
    let fields = text.trimmed.split { $0 == " " || $0 == "-" || $0 == ":" }.map(String.init)
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    guard fields.count == 7, let zone = text.trimmed.split(separator: " ").last, zone.count == 5,
      let month = months.firstIndex(of: fields[1].lowercased()), let offset = Int(zone.dropFirst())
    else { return nil }
    let numbers = [0, 2, 3, 4, 5].map { Int(fields[$0]) ?? -1 }
    guard (1...31).contains(numbers[0]), (1970...9999).contains(numbers[1]), (0...23).contains(numbers[2]),
      (0...59).contains(numbers[3]), (0...60).contains(numbers[4])
    else { return nil }
    var parts = tm()
    parts.tm_mday = Int32(numbers[0])
    parts.tm_mon = Int32(month)
    parts.tm_year = Int32(numbers[1] - 1900)
    parts.tm_hour = Int32(numbers[2])
    parts.tm_min = Int32(numbers[3])
    parts.tm_sec = Int32(numbers[4])
    let seconds = TimeInterval(timegm(&parts))
    let east = TimeInterval(offset / 100 * 3600 + offset % 100 * 60)
    return Date(timeIntervalSince1970: zone.hasPrefix("-") ? seconds + east : seconds - east)
  }
}

/// A reference line and the text beside it, as they stood in a mail.
private struct OpenedMessage {
  let peer: PeerIdentity
  let line: Reference
  let companion: String?

  /// The reference with its supplement, once it is clear what the companion has to be bound to. A line without mark has no companion.
  func reference(
    _ kind: CompanionMessage.Kind, for application: String, to own: PeerIdentity, now: UInt64
  ) throws(MailDropReason) -> Reference {
    guard let companion, line.supplement.isSupported else { return line }
    let message: CompanionMessage
    do throws(CompanionError) {
      message = try CompanionMessage(
        text: companion, kind: kind,
        binding: CompanionMessage.Binding(
          sender: peer.certificateID, recipient: own.certificateID, application: application, invite: nil), now: now)
    } catch {
      throw .malformed(error.description)
    }
    guard message.reference.with(.missing) == line else { throw .malformed("its two parts tell of different places") }
    return message.reference
  }
}
