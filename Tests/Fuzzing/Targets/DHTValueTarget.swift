import COpenDHT
import Identity
import Logging

@testable import Rendezvous
@testable import RendezvousDHT

/// What strangers and peers put into the DHT is told apart, bounded and opened without harm.
@Sendable func fuzzDHTValue(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let kind = input.byte()
  let id = UInt64(input.byte())
  let body = input.remainder()
  var error: UnsafeMutablePointer<CChar>?
  let made: OpaquePointer? =
    switch kind % 4 {
    // What OpenDHT makes of the bytes of a packet.
    case 0: codht_value_unpack(body, body.count, &error)
    case 1: codht_value_raw(body, body.count, nil, id, &error)
    case 2: codht_value_raw(body, body.count, FuzzKeys.peer.key, id, &error)
    // A peer that means harm encrypts whatever it likes.
    default: codht_value_seal_packed(body, body.count, FuzzKeys.own.publicKey, FuzzKeys.peer.key, id, 0, &error)
    }
  guard let made else {
    try demand(!text(taking: error).isEmpty, "refused without a word")
    return
  }
  try judge(SealedValue(owning: made))
}

private func judge(_ value: SealedValue) throws {
  let inbox = ValueInbox(logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() })
  inbox.deliver(value)
  inbox.close()
  guard value.isUserData, value.size <= ValueInbox.sizeAtMost, let owner = value.owner else { return }
  var seen = SeenDigests()
  try demand(seen.insert(value.digest) && !seen.insert(value.digest), "a value was new twice")
  let line: String
  do throws(DropReason) { line = try FuzzKeys.sealer.open(value) } catch {
    try demand(!error.text.isEmpty, "dropped without a word")
    return
  }
  // Of all inputs only those that are signed here with the peer's key are.
  try demand(owner == FuzzKeys.peer.identity.certificateID, "a value of \(owner) was opened")
  try demand(line.utf8.count <= ValueInbox.sizeAtMost, "\(line.utf8.count) bytes out of \(value.size)")
  _ = (try? Reference(line: line), DeclineNotice(line: line))
}
