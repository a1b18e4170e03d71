/// One datagram for the codec, or several for the server, by the first byte.
@Sendable func fuzzSTUN(_ input: [UInt8]) throws {
  let rest = Array(input.dropFirst())
  if input.first == UInt8(ascii: "m") { try fuzzSTUNMessage(rest) } else { try fuzzSTUNServer(rest) }
}
