import Datagrams
import FoundationEssentials

@testable import STUN

/// The exploration ends in its time with a report, whatever comes, and holds no more than its probes need.
@Sendable func fuzzNetworkExplorer(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  var random = FuzzRandom(seed: 1)
  var now = Instant.zero
  let servers = [Endpoint.known("192.0.2.1:3478"), .known("198.51.100.2:3478"), .known("[2001:db8::2]:3478")]
    .prefix(1 + Int(input.byte() % 3)).map(STUNServer.init(endpoint:))
  let scope: NetworkExplorer.Scope = input.byte() & 1 == 0 ? .everything : .mapping
  let local = input.choice(of: [Endpoint.known("10.0.0.2:40000"), .known("203.0.113.9:40000")])
  let sockets = (0..<NetworkExplorer.socketCount(scope: scope, servers: servers.count)).map { index in
    Endpoint(address: local.address, port: local.port + UInt16(index))
  }
  var explorer = NetworkExplorer(
    servers: servers, localAddresses: servers.map { _ in local.address }, sockets: sockets,
    configuration: .init(scope: scope), now: now, using: &random)
  let deadline = now.advanced(by: explorer.configuration.budget)

  var sent: [SocketTransmit] = []
  var reports = 0
  var events = 0
  func drain() throws {
    while let transmit = explorer.pollTransmit() { sent.append(transmit) }
    while let event = explorer.pollEvent() {
      events += 1
      if case .finished(let report) = event {
        reports += 1
        _ = try JSONEncoder().encode(report)
      }
    }
    // Eight probes for each server, and the hairpin test's own; seven requests for each probe.
    let probesAtMost = servers.count * 8 + 4
    try demand(sent.count <= 7 * probesAtMost, "\(sent.count) datagrams were sent")
    try demand(events <= 64, "\(events) events")
    try demand(explorer.probes.count <= probesAtMost, "\(explorer.probes.count) probes")
  }
  try drain()
  while !input.isAtEnd {
    let socket = Int(input.byte() & 0x07)
    switch input.byte() % 4 {
    case 0:
      now = now.advanced(by: input.duration())
      explorer.handleTimeout(now: now)
    case 1:
      let source = input.choice(of: servers.map(\.endpoint) + sockets + [.known("192.0.2.77:9")])
      explorer.receive(Datagram(from: source, payload: input.bytes()), on: socket, now: now)
    case 2:
      let request = input.choice(of: sent)
      let reply = response(to: request.transmit.payload, from: &input)
      let source = input.choice(of: [request.transmit.destination] + sockets + [.known("192.0.2.1:3479")])
      explorer.receive(Datagram(from: source, payload: reply), on: request.socket, now: now)
    default:
      explorer.sendFailed(input.choice(of: sent), reason: "no route", now: now)
    }
    try drain()
  }
  now = max(now, deadline)
  explorer.handleTimeout(now: now)
  try drain()
  try demand(explorer.isFinished && explorer.pollTimeout() == nil && reports == 1, "\(reports) reports at the end")
}

/// Attributes from the input behind a header that fits the request.
private func response(to request: [UInt8], from input: inout FuzzInput) -> [UInt8] {
  let type = input.choice(of: [[0x01, 0x01], [0x01, 0x11], [0x00, 0x01], [0x01, 0x03]] as [[UInt8]])
  let attributes = input.bytes()
  return type + [0, UInt8(attributes.count)] + request[4..<20] + attributes
}
