import Datagrams

/// One request to a PCP router, repeated until it is answered, without I/O.
struct PCPExchange: DatagramCore {
  /// The response; nil if there was none in time.
  typealias Outcome = PCPMessage.Response?

  /// What a response has to answer.
  enum Question { case announce, map(MappingRequest) }

  private let question: Question
  private let request: Transmit
  private let deadline: Instant
  /// The wait before the next repeat. RFC 6887 8.1.1 begins with 3 s, for servers of a provider; the router of the own network answers within
  /// milliseconds, and what is waited for here delays a passage or the end of the program.
  private var wait: Duration = .milliseconds(100)
  private var repeatAt: Instant
  private var pending: Transmit?
  private var outcome: Outcome?

  init(_ question: Question, router: IPAddress, request: [UInt8], patience: Duration, now: Instant) {
    self.question = question
    self.request = Transmit(to: Endpoint(address: router, port: PCPMessage.port), payload: request)
    deadline = now.advanced(by: patience)
    repeatAt = now.advanced(by: wait)
    pending = self.request
  }

  mutating func pollTransmit() -> Transmit? {
    defer { pending = nil }
    return pending
  }

  func pollOutcome() -> Outcome? { outcome }

  func pollTimeout() -> Instant? { outcome == nil ? min(repeatAt, deadline) : nil }

  mutating func receive(_ datagram: Datagram, now: Instant) {
    guard outcome == nil, datagram.source == request.destination,
      let response = PCPMessage.decodeResponse(datagram.payload), answers(response)
    else { return }
    outcome = .some(response)
  }

  private func answers(_ response: PCPMessage.Response) -> Bool {
    switch (question, response) {
    case (_, .otherVersion): true
    case (.announce, .announce): true
    case (.announce, .failure(_, let opcode)): opcode == PCPMessage.Opcode.announce.rawValue
    case (.map(let request), .map(_, let mapping)): mapping.nonce == request.nonce && mapping.inner == request.inner
    case (.map, .failure(_, let opcode)): opcode == PCPMessage.Opcode.map.rawValue
    case (.announce, .map), (.map, .announce): false
    }
  }

  mutating func handleTimeout(now: Instant) {
    guard outcome == nil else { return }
    guard now < deadline else {
      outcome = .some(nil)
      return
    }
    guard now >= repeatAt else { return }
    wait = wait * 2
    repeatAt = now.advanced(by: wait)
    pending = request
  }

  /// A request that cannot be sent is as good as lost.
  mutating func handleSent(_ transmit: Transmit, failure: (any Error)?, now: Instant) {}
}
