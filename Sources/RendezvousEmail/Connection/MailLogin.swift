/// Who logs in at a mail server, and how. Holds a secret.
struct MailLogin: Sendable, CustomStringConvertible, CustomReflectable {
  let name: String
  /// The password, or the access token of XOAUTH2.
  let password: String
  let method: EmailAuthentication

  /// Only the name.
  var description: String { name }
  /// Only the name: `dump` and test failures print mirrors.
  var customMirror: Mirror { Mirror(self, children: ["name": name]) }

  /// RFC 4616.
  var plainResponse: String { Base64.encode(Array("\0\(name)\0\(password)".utf8)) }
  /// The mechanism of the large providers, which have no RFC for it.
  var xoauth2Response: String { Base64.encode(Array("user=\(name)\u{1}auth=Bearer \(password)\u{1}\u{1}".utf8)) }

  /// What a server says when it refuses, fit for a log: one short line, without the secret if the server repeats it.
  func cleansed(_ text: String) -> String {
    let secrets = [password, plainResponse, xoauth2Response, Base64.encode(Array(password.utf8))]
    guard !secrets.contains(where: { !$0.isEmpty && text.contains($0) }) else { return "(its words are not shown)" }
    return text.printable(limit: 160)
  }
}

extension String {
  /// One line of at most `limit` characters without control characters, quoted from a stranger.
  func printable(limit: Int) -> String {
    let shown = unicodeScalars.prefix(limit).map { scalar -> Character in
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator, .surrogate, .format: " "
      default: Character(scalar)
      }
    }
    return String(shown).trimmed + (unicodeScalars.count > limit ? "…" : "")
  }
}
