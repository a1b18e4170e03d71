import Identity

@testable import Identity
@testable import RendezvousEmail

/// What stands in mails of strangers, and what a peer that means harm encrypts, is opened without harm.
@Sendable func fuzzMail(_ input: [UInt8]) throws {
  let bytes = Array(input.dropFirst())
  switch input.first {
  case UInt8(ascii: "h")?: try fuzzMailHeader(bytes)
  // A peer's message that is encrypted well, whatever it holds.
  case UInt8(ascii: "e")?:
    guard let sealed = try? MailKeys.certificate.encrypt(bytes) else { return }
    let part = "Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    try open(Array((part + Base64.encodeLines(sealed)).utf8))
  // Raw CMS, as it stands in a mail.
  case UInt8(ascii: "c")?:
    _ = try? MailKeys.key.decrypt(bytes)
    _ = try? MailKeys.certificate.verify(bytes, over: nil)
    _ = try? MailKeys.certificate.verify(bytes, over: [1, 2, 3])
  default: try open(bytes)
  }
}

private func open(_ mail: [UInt8]) throws {
  let opened = Result { () throws(MailDropReason) in
    try MailKeys.sealer.open(MIMEEntity(mail[...]), from: FuzzKeys.peer.identity)
  }
  switch opened {
  // Of all inputs only those that were signed with the peer's key, for the corpus, are opened.
  case .success(let line): try demand(line.utf8.count <= mail.count, "more text than mail")
  case .failure(let reason): try demand(!reason.text.isEmpty, "dropped without a word")
  }
}

private func fuzzMailHeader(_ bytes: [UInt8]) throws {
  let text = String(decoding: bytes, as: UTF8.self)
  // What is written reads the same.
  let unfolded = HeaderText.encode(text).replacing("\r\n ", with: " ")
  try demand(!unfolded.contains(where: \.isNewline), "a field in a field")
  let decoded = HeaderText.decode(unfolded)
  try demand(unfolded.utf8.count > HeaderText.limit || decoded == text, "a text changed")
  _ = MailDesk.date(text)
  guard let card = MailCard(header: bytes) else { return }
  // Three bytes of base64 text become up to nine, where they are no UTF-8.
  try demand(card.subject.utf8.count <= 3 * HeaderText.limit, "more subject than is looked at")
  try demand(card.understood.count <= 16, "a long list")
  for identifier in [card.messageID, card.answered].compactMap({ $0 }) {
    try demand(identifier.utf8.allSatisfy { (0x21..<0x7F).contains($0) }, "an identifier that breaks a header")
  }
}

/// The keys of FuzzKeys for mail.
private enum MailKeys {
  static let certificate = make { try CMSCertificate(der: FuzzKeys.own.der) }
  static let key = make { try CMSKey(pem: FuzzKeys.ownKey, certificate: certificate) }
  static let sealer = make {
    try SMIMESealer(
      own: OwnIdentity(
        identity: FuzzKeys.own.identity, privateKeyPEM: FuzzKeys.ownKey, caCertificateDER: nil, permissionsWarning: nil)
    )
  }

  private static func make<Value>(_ body: () throws -> Value) -> Value {
    guard let value = try? body() else { preconditionFailure("the keys in FuzzKeys.swift are damaged") }
    return value
  }
}
