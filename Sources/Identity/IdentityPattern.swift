/// Which peers are meant: one, all of one owner, all with one pin, or everyone in the repository.
public struct IdentityPattern: Hashable, Sendable {
  /// The owner that a name must have; nil for any.
  public let owner: String?
  /// The pin that a name must have; nil for any.
  public let pin: String?

  /// Everyone.
  public static let any = IdentityPattern(checkedOwner: nil, pin: nil)

  /// Only this one.
  public init(_ name: IdentityName) {
    self.init(checkedOwner: name.owner, pin: name.pin)
  }

  /// Reads `OWNER/PIN`, `OWNER` or `OWNER/` for any identity of an owner, and `/PIN` for any with that pin.
  ///
  /// - Throws: ``IdentityError`` with code `badName`. An empty text is an error too: whoever means everyone says ``any``.
  public init(_ text: String) throws {
    let (owner, pin) = text.utf8Halves
    guard !owner.isEmpty || pin?.isEmpty == false else {
      throw IdentityError(.badName, "\(quoted(text)) names nobody; write OWNER/PIN, OWNER alone or /PIN alone")
    }
    if !owner.isEmpty { try IdentityName.validate(owner, of: text) }
    if let pin, !pin.isEmpty { try IdentityName.validate(pin, of: text) }
    self.init(checkedOwner: owner.isEmpty ? nil : owner, pin: pin?.isEmpty == false ? pin : nil)
  }

  private init(checkedOwner: String?, pin: String?) {
    self.owner = checkedOwner
    self.pin = pin
  }

  /// Whether `name` is meant.
  public func matches(_ name: IdentityName) -> Bool {
    (owner == nil || owner == name.owner) && (pin == nil || pin == name.pin)
  }

  /// The only name that matches, if there is only one.
  public var exactName: IdentityName? {
    guard let owner, let pin else { return nil }
    return try? IdentityName(owner: owner, pin: pin)
  }
}

extension IdentityPattern: CustomStringConvertible {
  /// As `init(_:)` reads it; `anyone` for ``any``.
  public var description: String {
    switch (owner, pin) {
    case (nil, nil): "anyone"
    case (let owner?, nil): "\(owner)/"
    case (let owner, let pin?): "\(owner ?? "")/\(pin)"
    }
  }
}
