import COpenDHT
import FoundationEssentials

@testable import Identity

/// A certificate that is taken has a key with which OpenDHT does what we think, and reads back from what we export.
func fuzzCertificate(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let kind = input.byte()
  let body = input.remainder()
  switch kind % 3 {
  case 0: try judgeCertificate(pem: body)
  // Base64 keeps a fuzzer from the DER inside, so it gets that directly.
  case 1: try judgeCertificate(pem: Array(CertificateText.pem(body).utf8))
  default: try judgePrivateKey(body)
  }
}

private func judgeCertificate(pem: [UInt8]) throws {
  let peer: PeerIdentity
  do { peer = try PeerIdentity(name: IdentityName("peer@example.org/fuzz"), pem: pem, source: "the input") } catch {
    try demand(error is IdentityError, "\(type(of: error)) escaped")
    return
  }
  try demand(peer.keyBits >= PeerIdentity.minimumKeyBits, "a key of \(peer.keyBits) bits was taken")
  try demand(!peer.subject.unicodeScalars.contains { $0.isControl }, "the subject has control characters")
  try? peer.checkValidity(at: Date(timeIntervalSince1970: 1_800_000_000))
  let again = try? PeerIdentity(name: peer.name, pem: Array(peer.certificatePEM.utf8), source: "the export")
  try demand(again == peer, "the exported certificate reads as another")
  // OpenDHT reads it with another library; where it does, both must mean the same key.
  guard let key = codht_certificate_read(peer.certificateDER, peer.certificateDER.count, nil) else { return }
  defer { codht_public_key_free(key) }
  var id = [UInt8](repeating: 0, count: Int(CODHT_HASH_LENGTH))
  codht_public_key_id(key, &id)
  try demand(id == peer.certificateID.bytes, "OpenDHT knows the key by another id")
}

private func judgePrivateKey(_ text: [UInt8]) throws {
  do {
    let pem = try PrivateKeyFile.read(text, belongingTo: FuzzKeys.own.der, path: "private.key")
    try demand(
      try PrivateKeyFile.read(Array(pem.utf8), belongingTo: FuzzKeys.own.der, path: "private.key") == pem,
      "the key reads as another")
  } catch {
    try demand(error is IdentityError, "\(type(of: error)) escaped")
  }
}
