/// The name of an identity, `OWNER/PIN`: where it lies in the application repository.
///
/// Both halves become folder names, so nothing that could lead elsewhere is taken: neither half is empty, `.` or `..`,
/// contains `/` or a control character, or is longer than 255 bytes of UTF-8 (the limit of Linux for a file name).
public struct IdentityName: Hashable, Sendable {
  /// Whose identity it is: an email address by convention.
  public let owner: String
  /// Which of the owner's identities it is.
  public let pin: String

  /// Joins the two halves.
  ///
  /// - Throws: ``IdentityError`` with code `badName`.
  public init(owner: String, pin: String) throws {
    try Self.validate(owner, of: "\(owner)/\(pin)")
    try Self.validate(pin, of: "\(owner)/\(pin)")
    self.owner = owner
    self.pin = pin
  }

  /// Reads `OWNER/PIN`.
  ///
  /// - Throws: ``IdentityError`` with code `badName`.
  public init(_ text: String) throws {
    let halves = text.utf8Halves
    guard let pin = halves.pin else {
      throw IdentityError(.badName, "\(quoted(text)) is no identity; write it as OWNER/PIN")
    }
    try self.init(owner: halves.owner, pin: pin)
  }

  /// Throws unless `half` is safe as the name of one folder.
  static func validate(_ half: String, of text: String) throws {
    func refuse(_ reason: String) -> IdentityError {
      IdentityError(.badName, "\(quoted(text)) is no identity: \(reason); write it as OWNER/PIN")
    }
    guard !half.isEmpty else { throw refuse("one half is empty") }
    guard half != ".", half != ".." else { throw refuse("neither half may be . or ..") }
    guard half.utf8.count <= 255 else { throw refuse("a half may have at most 255 bytes") }
    guard !half.utf8.contains(UInt8(ascii: "/")) else { throw refuse("it has more than one slash") }
    guard !half.unicodeScalars.contains(where: \.isControl) else { throw refuse("it has a control character") }
  }
}

extension IdentityName: CustomStringConvertible {
  /// `OWNER/PIN`.
  public var description: String { "\(owner)/\(pin)" }
}

extension IdentityName: Comparable {
  /// By owner, then by pin.
  public static func < (left: IdentityName, right: IdentityName) -> Bool {
    (left.owner, left.pin) < (right.owner, right.pin)
  }
}

extension IdentityName: Codable {
  /// Decodes `OWNER/PIN` with the checks of `init(_:)`.
  public init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(String.self))
  }

  /// Encodes as `OWNER/PIN`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension String {
  /// What stands before the first slash, and what stands after it: nil without a slash.
  ///
  /// By bytes: a slash followed by a combining mark is one `Character`, and not equal to "/".
  var utf8Halves: (owner: String, pin: String?) {
    guard let slash = utf8.firstIndex(of: UInt8(ascii: "/")) else { return (self, nil) }
    return (String(self[..<slash]), String(self[utf8.index(after: slash)...]))
  }
}

extension Unicode.Scalar {
  /// A control character, or one that ends a line: such a name would forge log lines and terminal output.
  var isControl: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator, .surrogate: true
    default: false
    }
  }
}

/// `text` in quotes for an error sentence: shortened, and with control characters made visible.
func quoted(_ text: String) -> String {
  var shown = ""
  for scalar in text.unicodeScalars.prefix(80) {
    shown += scalar.isControl ? scalar.escaped(asASCII: true) : String(scalar)
  }
  return text.unicodeScalars.count > 80 ? "'\(shown)…'" : "'\(shown)'"
}
