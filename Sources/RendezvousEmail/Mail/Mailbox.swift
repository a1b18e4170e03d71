import Identity

/// A person in a From or To field: `PIN <OWNER>`.
struct Mailbox: Hashable {
  /// The display name: the pin of an identity.
  let pin: String
  /// The address: the owner of an identity.
  let owner: String

  init(_ name: IdentityName) {
    pin = name.pin
    owner = name.owner
  }

  /// Reads a field with one mailbox and an address in angle brackets; nil for anything else.
  init?(field: String) {
    let text = field.trimmed
    guard text.hasSuffix(">"), let open = text.lastIndex(of: "<") else { return nil }
    let owner = String(text[text.index(after: open)...].dropLast()).trimmed
    let phrase = String(text[..<open]).trimmed
    guard !owner.isEmpty, !owner.contains(where: { $0 == "<" || $0 == ">" || $0 == "\"" || $0.isWhitespace }) else {
      return nil
    }
    self.pin = phrase.hasPrefix("\"") ? phrase.unquoted : HeaderText.decode(phrase)
    self.owner = owner
  }

  /// As it stands in a field. The reference searches for a bare pin, so it is quoted only where a mail server would take offence.
  var field: String {
    let special = Set("\"(),:;<>@[\\]".utf8)
    let phrase: String
    if !pin.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) || pin.contains("=?") {
      phrase = HeaderText.encode(pin)
    } else if pin.utf8.contains(where: special.contains) {
      phrase = "\"" + pin.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
    } else {
      phrase = pin
    }
    return "\(phrase) <\(owner)>"
  }

  /// Whether this is `name`. Mail servers may change the case of addresses.
  func isSame(as name: IdentityName) -> Bool {
    pin == name.pin.trimmed && owner.lowercased() == name.owner.lowercased()
  }

  /// Whether mail can be sent to the owner of an identity: `local@domain` of printable ASCII.
  static func isAddress(_ owner: String) -> Bool {
    let halves = owner.split(separator: "@", omittingEmptySubsequences: false)
    let special = Set("\"(),:;<>[\\]".utf8)
    // RFC 5321, section 4.5.3.1, bounds the whole path.
    return halves.count == 2 && !halves[0].isEmpty && !halves[1].isEmpty && owner.utf8.count <= 254
      && owner.utf8.allSatisfy { (0x21..<0x7F).contains($0) && !special.contains($0) }
  }
}
