import FoundationEssentials
import Glibc
import Identity

/// A mail as it goes to the SMTP server.
struct OutgoingMail: Sendable {
  /// The sender's address, for the envelope.
  let sender: String
  /// The recipient's address, for the envelope.
  let recipient: String
  /// Header fields and body, with CR LF at the end of each line.
  let content: String
  /// The Message-ID, with its angle brackets.
  let messageID: String
}

extension OutgoingMail {
  /// A mail from `own` to `peer` with these parts, of which the reference reads the first.
  ///
  /// - Parameters:
  ///   - understood: the subjects that we look for besides those of the reference.
  ///   - answering: the Message-ID of the mail that this one answers.
  init(
    from own: IdentityName, to peer: IdentityName, subject: String, understood: [String] = [], parts: [String],
    answering: String? = nil, date: Date = Date()
  ) {
    sender = own.owner
    recipient = peer.owner
    let domain = own.owner.split(separator: "@").last ?? "localhost"
    messageID = "<\(Boundary.random().lowercased())@\(domain)>"
    let boundary = "----\(Boundary.random())"
    // The reference searches for To directly behind From.
    var fields = [
      "From: \(Mailbox(own).field)", "To: \(Mailbox(peer).field)", "Subject: \(HeaderText.encode(subject))",
      "Date: \(Self.text(of: date))", "Message-ID: \(messageID)",
    ]
    if let answering { fields.append("In-Reply-To: \(answering)") }
    if !understood.isEmpty {
      fields.append("\(Self.understoodField): \(HeaderText.encode(understood.joined(separator: " ")))")
    }
    // Out-of-office programs leave such mails alone (RFC 3834).
    fields += [
      "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=\(boundary)",
    ]
    content =
      fields.joined(separator: "\r\n") + "\r\n\r\n"
      + parts.map { "--\(boundary)\r\n\($0)\r\n" }.joined() + "--\(boundary)--\r\n"
  }

  /// The header field that names subjects which the reference does not know.
  static let understoodField = "X-Plexus-Subjects"

  /// RFC 5322, section 3.3, in UTC.
  private static func text(of date: Date) -> String {
    var seconds = Int(date.timeIntervalSince1970)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let two = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
    guard days.indices.contains(Int(parts.tm_wday)), months.indices.contains(Int(parts.tm_mon)) else { return "" }
    return "\(days[Int(parts.tm_wday)]), \(parts.tm_mday) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) +0000"
  }
}
