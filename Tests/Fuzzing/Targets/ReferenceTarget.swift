import Datagrams

@testable import Rendezvous

/// What a peer writes into a message is a reference, a decline or refused, and reads back as it was read.
func fuzzReference(_ input: [UInt8]) throws {
  let line = String(decoding: input, as: UTF8.self)
  do {
    try judge(Reference(line: line), from: line)
  } catch let error as ReferenceError {
    try demand(!error.description.isEmpty, "an error without a word")
  }
  if let notice = DeclineNotice(line: line) {
    try demand(DeclineNotice(line: notice.line) == notice, "\(notice) reads as another notice")
    try demand(notice.reason.word.utf8.count <= 40, "a long word was taken")
  }
  var input = FuzzInput(input)
  let address: IPAddress =
    input.byte() & 1 == 0 ? .v4(input.integer()) : .v6(high: input.integer(), low: input.integer())
  let endpoint = Endpoint(address: address, port: input.integer())
  if let reference = try? Reference(endpoint: endpoint, puzzle: input.integer()) {
    try demand((try? Reference(line: reference.line)) == reference, "\(reference.line) does not read back")
  }
}

private func judge(_ reference: Reference, from line: String) throws {
  try demand(reference.endpoint.port != 0 && reference.endpoint.address.isUnicast, "a bad endpoint was taken")
  // Whatever lies between the fields, there are no other bytes than a line of ours can have.
  try demand(line.utf8.allSatisfy { $0 != 0 && $0 < 0x7F }, "strange bytes were taken")
  try demand((try? Reference(line: reference.line)) == reference, "\(reference.line) reads as another reference")
  try demand((try? Reference(line: " \(reference.line)\r\n")) == reference, "white space matters")
  try demand(reference.line.utf8.count <= 82, "a line of \(reference.line.utf8.count) bytes")
}
