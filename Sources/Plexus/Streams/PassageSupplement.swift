import Crypto
import FoundationEssentials
import HolePunching

/// What Plexus tells Plexus beside the reference line: one JSON object. Readers skip what they do not know.
struct PassageSupplement: Codable, Hashable, Sendable {
  /// The stream that the passage is to carry on, by a name that only its two ends know.
  var continues: StreamToken?
  /// Where the sender may be reached, and its half of the keys for looking.
  var offer: PunchOffer?

  /// Reads a peer's text; what cannot be read says nothing.
  init(text: String?) {
    let decoded = text.flatMap { try? JSONDecoder().decode(PassageSupplement.self, from: Data($0.utf8)) }
    self = decoded ?? PassageSupplement()
  }

  init(continues: StreamToken? = nil, offer: PunchOffer? = nil) { (self.continues, self.offer) = (continues, offer) }

  private enum CodingKeys: String, CodingKey { case continues, offer }

  /// Reads each part by itself: one that cannot be read takes no other with it.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    continues = try? container.decodeIfPresent(StreamToken.self, forKey: .continues)
    offer = try? container.decodeIfPresent(PunchOffer.self, forKey: .offer)
  }

  /// The text for the companion.
  var text: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

/// Names a stream between two peers: a hash of the secret of the passage on which it began.
struct StreamToken: Codable, Hashable, Sendable {
  let text: String

  init(_ secret: PassageSecret) {
    let bytes = withUnsafeBytes(of: secret.value.bigEndian, Array.init)
    text = SHA256.hash(data: Array("plexus stream".utf8) + bytes).prefix(16)
      .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  init(from decoder: any Decoder) throws {
    text = try decoder.singleValueContainer().decode(String.self)
    // Compared with those that we have, and nothing else.
    guard text.utf8.count <= 64 else {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "too long"))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
