@testable import STUN

/// A message that decodes can be encoded, and then decodes to the same.
func fuzzSTUNMessage(_ input: [UInt8]) throws {
  let message: STUNMessage
  do throws(STUNDecodingError) { message = try STUNMessage(decoding: input) } catch {
    try demand(!error.description.isEmpty, "an error without a word")
    return
  }
  try demand(message.attributes.count <= STUNMessage.maximumAttributes, "more attributes than the bound")
  let encoded = message.encoded()
  try demand(encoded.count.isMultiple(of: 4), "a message of \(encoded.count) bytes")
  let again: STUNMessage
  do { again = try STUNMessage(decoding: encoded) } catch {
    throw Violation(description: "what was encoded does not decode: \(error)")
  }
  try demand(again == message, "\(message) became \(again)")
  try demand(again.encoded() == encoded, "the encoding is not stable")
  _ = (message.mappedEndpoint?.description, message.otherEndpoint?.description, message.unknownComprehensionRequired)
  if let code = message.errorCode { try demand((300..<700).contains(code.code), "error code \(code.code)") }
  try demand((message.software?.utf8.count ?? 0) <= STUNAttribute.maximumTextLength, "an overlong SOFTWARE")
}
