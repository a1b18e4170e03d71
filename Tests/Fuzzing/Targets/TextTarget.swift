/// What stands in messages, in configuration files and on the command line, by the first byte: `r`, `c` or any other.
@Sendable func fuzzText(_ input: [UInt8]) throws {
  let text = Array(input.dropFirst())
  switch input.first {
  case UInt8(ascii: "r")?: try fuzzReference(text)
  case UInt8(ascii: "c")?: try fuzzINIFile(text)
  default: try fuzzOptions(text)
  }
}
