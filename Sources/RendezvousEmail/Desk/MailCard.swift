import Rendezvous

/// What the header of a mail says: whom it is from and to, what about, and what it answers. Anybody can write anything there.
struct MailCard {
  let from: Mailbox
  let to: Mailbox
  /// Decoded when it is asked for: most mails are to be known by their sender and recipient alone.
  var subject: String { HeaderText.decode(rawSubject) }
  let messageID: String?
  /// The Message-ID of the mail that this one answers; the reference tells none.
  let answered: String?
  /// The subjects that the sender looks for besides those of the reference.
  var understood: [String] { HeaderText.decode(rawUnderstood).split(separator: " ").prefix(16).map(String.init) }

  private let rawSubject: String
  private let rawUnderstood: String

  /// Reads a header; nil where no single sender, recipient or subject stands in it.
  init?(header: [UInt8]) {
    let fields = MIMEEntity(header[...])
    guard let from = fields["from"].flatMap(Mailbox.init(field:)), let to = fields["to"].flatMap(Mailbox.init(field:)),
      let subject = fields["subject"]
    else { return nil }
    self.from = from
    self.to = to
    rawSubject = subject
    messageID = Self.identifier(fields["message-id"])
    answered = Self.identifier(fields["in-reply-to"])
    rawUnderstood = fields[OutgoingMail.understoodField.lowercased()] ?? ""
  }

  /// A Message-ID that can be written into a header again.
  private static func identifier(_ text: String?) -> String? {
    guard let text, text.utf8.count <= 255, text.hasPrefix("<"), text.hasSuffix(">"),
      text.utf8.allSatisfy({ (0x21..<0x7F).contains($0) })
    else { return nil }
    return text
  }
}
