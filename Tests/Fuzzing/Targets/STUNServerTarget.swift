import Datagrams

@testable import STUN

/// Two addresses with two ports, one address with two, one endpoint, and one that knows no address of its own.
private let serverKinds: [[Endpoint]] = [
  [
    .known("192.0.2.1:3478"), .known("192.0.2.2:3478"), .known("192.0.2.1:3479"), .known("192.0.2.2:3479"),
  ],
  [.known("192.0.2.1:3478"), .known("192.0.2.1:3479")],
  [.known("[2001:db8::1]:3478")],
  [.known("0.0.0.0:3478")],
]

/// The server answers nothing but requests, to nobody but who asks, never much more than it got, and remembers a bounded number of sources.
func fuzzSTUNServer(_ input: [UInt8]) throws {
  var input = FuzzInput(input)
  var now = Instant.zero
  let limit = RateLimit(burst: 8, perSecond: 50)
  let endpoints = input.choice(of: serverKinds)
  var server = STUNServerCore(
    endpoints: endpoints, limits: .init(perSource: limit, total: limit, sources: 2), now: now)
  var limiter = RateLimiter(perSource: limit, total: limit, capacity: 2, now: now)
  while !input.isAtEnd {
    now = now.advanced(by: input.duration())
    let socket = Int(input.byte() & 0x0F)
    let port = input.integer(UInt16.self)
    let address: IPAddress =
      input.byte() & 1 == 0
      ? .v4(input.integer()) : .v6(high: 0x2001_0DB8_0000_0000 | UInt64(input.byte()), low: UInt64(input.byte()))
    let source = Endpoint(address: address, port: port)
    let payload = input.bytes()
    _ = limiter.allows(address, now: now)
    try demand(limiter.count <= 4, "\(limiter.count) sources are remembered")
    guard let answer = server.receive(Datagram(from: source, payload: payload), on: socket, now: now) else { continue }
    try judge(answer, to: payload, from: source, endpoints: endpoints)
    let echo = Datagram(from: source, payload: answer.transmit.payload)
    try demand(server.receive(echo, on: 0, now: now) == nil, "the server answers an answer")
  }
}

private func judge(_ answer: SocketTransmit, to payload: [UInt8], from source: Endpoint, endpoints: [Endpoint]) throws {
  guard let request = try? STUNMessage(decoding: payload) else { throw Violation(description: "noise was answered") }
  try demand(request.messageClass == .request && request.method == STUNMessage.bindingMethod, "no request was answered")
  try demand(endpoints.indices.contains(answer.socket), "there is no socket \(answer.socket)")
  let destination = answer.transmit.destination
  try demand(destination.address == source.address && source.address.isUnicast, "sent to \(destination)")
  try demand(destination.port == source.port || destination.port >= 1024, "sent to \(destination)")
  try demand(
    answer.transmit.payload.count <= payload.count + 72, "\(answer.transmit.payload.count) bytes are amplified")
  guard let response = try? STUNMessage(decoding: answer.transmit.payload) else {
    throw Violation(description: "the answer does not decode")
  }
  try demand(response.transactionID == request.transactionID, "the answer is to another request")
  switch response.messageClass {
  case .success: try demand(response.mappedEndpoint == source, "the answer tells \(response.mappedEndpoint as Any)")
  case .error: try demand(response.errorCode != nil, "an error without a code")
  case .request, .indication: throw Violation(description: "the answer is none")
  }
}
