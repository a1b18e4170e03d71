/// Why a mail that seemed to be for us is not used; goes into one log line, together with whom it says it is from.
enum MailDropReason: Error, Hashable, Sendable {
  case oversized(Int)
  case unknownSender
  case notFromPeer
  case notEncrypted
  case notSigned
  case notForUs(String)
  case untrusted(String)
  case malformed(String)
  case stale
  case replay
  case otherInvite

  var text: String {
    switch self {
    case .oversized(let bytes): "it has \(bytes) bytes, more than any message"
    case .unknownSender: "its sender is nobody whom we accept"
    case .notFromPeer: "it is not from the peer that we asked"
    case .notEncrypted: "it is not encrypted"
    case .notSigned: "it is not signed"
    case .notForUs(let why): "it cannot be decrypted: \(why)"
    case .untrusted(let why): "its signature is not the peer's: \(why)"
    case .malformed(let why): why
    case .stale: "it was sent long ago"
    case .replay: "its puzzle was seen before"
    case .otherInvite: "it answers another invite"
    }
  }
}
