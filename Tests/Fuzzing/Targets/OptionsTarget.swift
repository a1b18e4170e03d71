import Datagrams

@testable import Identity
@testable import Plexus

/// What a user writes for hosts, identities and payloads means one thing, and nothing that leads elsewhere.
func fuzzOptions(_ input: [UInt8]) throws {
  let text = String(decoding: input, as: UTF8.self)
  try judgeAddresses(text)
  try judgeNames(text)
  try judgeTraits(text)
  try judgeWords(text)
  try judgeWildcards(text)
}

private func judgeAddresses(_ text: String) throws {
  if let address = IPAddress(text) {
    try demand(
      text.utf8.allSatisfy { "0123456789abcdefABCDEF:.".utf8.contains($0) },
      "\(address) was read from \(text.debugDescription)")
    try demand(IPAddress(address.description) == address, "\(address) reads as another address")
  }
  if let endpoint = Endpoint(text) {
    try demand(Endpoint(endpoint.description) == endpoint, "\(endpoint) reads as another endpoint")
  }
  if let host = HostAndPort(text) {
    try demand(HostAndPort(host.description) == host, "\(host) reads as another host")
    try demand(!host.host.utf8.contains(0), "a host name with a NUL was taken")
  }
}

private func judgeNames(_ text: String) throws {
  if let name = try? IdentityName(text) {
    for half in [name.owner, name.pin] {
      try demand(![".", "..", ""].contains(half), "\(half) is taken for a folder")
      try demand(half.utf8.count <= 255 && !half.utf8.contains { $0 == 0x2F || $0 < 0x20 }, "no name for a folder")
    }
    try demand((try? IdentityName(name.description)) == name, "\(name) reads as another identity")
    try demand(IdentityPattern(name).matches(name) && IdentityPattern(name).exactName == name, "\(name) is not itself")
  }
  if let pattern = try? IdentityPattern(text) {
    try demand((try? IdentityPattern(pattern.description)) == pattern, "\(pattern) reads as another pattern")
  }
}

private func judgeTraits(_ text: String) throws {
  guard let traits = NetworkTraits(text) else { return }
  try demand(NetworkTraits(traits.description) == traits, "\(traits) reads as other traits")
  _ = PassagePrediction(own: traits, peer: traits).sentence
}

private func judgeWords(_ text: String) throws {
  if let words = try? shellWords(text) {
    try demand(words.reduce(0) { $0 + $1.utf8.count } <= text.utf8.count, "the words have more than there was")
    let line = words.map(shellQuoted).joined(separator: " ")
    // A mark that combines with the quote before it is no character of its own to either side.
    guard words.allSatisfy({ $0.isASCII }) else { return }
    try demand((try? shellWords(line)) == words, "\(words) reads as \((try? shellWords(line)) as Any)")
  }
}

private func judgeWildcards(_ text: String) throws {
  let description = PassageDescription(
    host: try IdentityName("host@example.org/desk"), peer: try IdentityName("peer@example.org/lab"),
    inner: .known("10.0.0.2:40000"), outer: .known("192.0.2.1:40000"), alien: .known("[2001:db8::1]:40000"),
    secret: PassageSecret(42),
    files: .init(hostCertificate: "/repo/cert.crt", hostKey: "/repo/private.key", peerCertificate: "/repo/peer.crt"))
  let expanded = description.expandingWildcards(in: text)
  // Nothing that stands for a wildcard is longer than 40 bytes, and no wildcard shorter than 7.
  try demand(expanded.utf8.count <= text.utf8.count * 8, "\(expanded.utf8.count) bytes from \(text.utf8.count)")
  if !text.unicodeScalars.contains("%") { try demand(expanded == text, "a text without wildcards was changed") }
}

extension String {
  fileprivate var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }
}
