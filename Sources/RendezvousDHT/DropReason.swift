/// Why a value from the DHT is not for us; goes into one debug line, together with who, what and how large.
enum DropReason: Error, Hashable, Sendable {
  case huge
  case otherType
  case unsigned
  case idOutOfWindow
  case unknownOwner
  case notFromPeer
  case tooMany
  case notForUs(String)
  case malformed(String)
  case replay

  var text: String {
    switch self {
    case .huge: "larger than any message"
    case .otherType: "not of the type of a message"
    case .unsigned: "not signed"
    case .idOutOfWindow: "its number is too far from the present time"
    case .unknownOwner: "signed by nobody whom we accept"
    case .notFromPeer: "not from the peer that we asked"
    case .tooMany: "too many at once from this owner"
    case .notForUs(let why): "cannot be opened: \(why)"
    case .malformed(let why): why
    case .replay: "its puzzle was seen before"
    }
  }
}
