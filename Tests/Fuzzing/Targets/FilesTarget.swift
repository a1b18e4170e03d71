/// What stands in files that others gave us or that were damaged, by the first byte: state, or a certificate or key.
@Sendable func fuzzFiles(_ input: [UInt8]) throws {
  let content = Array(input.dropFirst())
  if input.first == UInt8(ascii: "s") { try fuzzStateFiles(content) } else { try fuzzCertificate(content) }
}
