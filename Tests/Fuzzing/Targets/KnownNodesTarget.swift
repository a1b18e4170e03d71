import Datagrams

@testable import RendezvousDHT

/// The nodes that a file of an earlier run names read back as they are written, and tidied they are few, fresh and permitted.
///
/// The first byte says how many of the nodes are good again; the rest is the file.
@Sendable func fuzzKnownNodes(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  let goodAtMost = Int(input.byte())
  let file = input.remainder()
  // As the file is read: what is no UTF-8 is replaced.
  let text = String(decoding: file, as: UTF8.self)
  guard var nodes = KnownNodes(text: text) else { return }
  try demand(nodes.text.utf8.elementsEqual(file), "nodes were read from what is not written so")

  let now: UInt64 = 1_800_000_000
  let good = Array(nodes.endpoints.suffix(goodAtMost))
  nodes.note(good: good, now: now)
  nodes.tidy(now: now, permitted: isPermitted)
  try judge(nodes, now: now)
  let known = Set(nodes.endpoints)
  let places = nodes.entries.count < KnownNodes.atMost
  for endpoint in good where isPermitted(endpoint) && places && !known.contains(endpoint) {
    try demand(
      nodes.entries.count { $0.endpoint.address == endpoint.address } == KnownNodes.perAddress, "\(endpoint) was lost")
  }

  var again = nodes
  again.tidy(now: now, permitted: isPermitted)
  try demand(again == nodes, "tidying twice changes what is kept")
  try demand(nodes.text.utf8.count <= KnownNodes.bytesAtMost, "\(nodes.text.utf8.count) bytes to write")
  try demand(KnownNodes(text: nodes.text) == nodes, "the nodes read differently from how they were written")
}

private func judge(_ nodes: KnownNodes, now: UInt64) throws {
  let entries = nodes.entries
  try demand(entries.count <= KnownNodes.atMost, "\(entries.count) nodes are kept")
  try demand(Set(nodes.endpoints).count == entries.count, "a node is kept twice")
  for entry in entries {
    try demand(isPermitted(entry.endpoint), "\(entry.endpoint) is kept")
    try demand(entry.lastGood <= now && now - entry.lastGood <= KnownNodes.keptFor, "kept from \(entry.lastGood)")
  }
  for (_, ofOneAddress) in Dictionary(grouping: entries, by: \.endpoint.address) {
    try demand(ofOneAddress.count <= KnownNodes.perAddress, "\(ofOneAddress.count) nodes of one address")
  }
  for (entry, next) in zip(entries, entries.dropFirst()) {
    try demand(entry.lastGood >= next.lastGood, "an older node comes first")
  }
}

private func isPermitted(_ endpoint: Endpoint) -> Bool { endpoint.port != 0 && endpoint.address.isUnicast }
