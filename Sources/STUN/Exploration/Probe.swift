import Datagrams

/// One STUN transaction of an exploration and what became of it.
struct Probe: Sendable {
  enum Purpose: Hashable, Sendable {
    /// A plain request to the server's own endpoint.
    case binding
    /// A plain request to another endpoint of the same server, to compare mappings.
    case alternate
    /// A request that the server shall answer from elsewhere, to test the filter.
    case filtering(STUNChangeRequest)
    /// A request to the public endpoint of another of our own sockets.
    case hairpin(to: Int)
  }

  enum State: Hashable, Sendable {
    case waiting(RetransmissionTimer)
    case answered(by: Endpoint)
    /// The other side answered that, or in a way which shows that, it cannot do this.
    case refused
    /// Repeated often enough, never answered.
    case silent
    /// The time was too short to tell a loss from a silence, or the outcome stopped to matter.
    case undecided
  }

  let id: STUNTransactionID
  let purpose: Purpose
  /// The index of the server that this is about; for hairpins that of the one that told the public endpoint.
  let server: Int
  let socket: Int
  let destination: Endpoint
  var state: State

  var isWaiting: Bool { timer != nil }

  var isFiltering: Bool { if case .filtering = purpose { true } else { false } }

  var timer: RetransmissionTimer? {
    if case .waiting(let timer) = state { timer } else { nil }
  }

  var transmit: SocketTransmit {
    let attributes: [STUNAttribute] =
      switch purpose {
      case .filtering(let change): [.changeRequest(change)]
      case .binding, .alternate, .hairpin: []
      }
    let request = STUNMessage(.request, transactionID: id, attributes: attributes)
    return SocketTransmit(socket: socket, transmit: Transmit(to: destination, payload: request.encoded()))
  }

  mutating func adopt(timeout: Duration) {
    guard case .waiting(var timer) = state else { return }
    timer.adopt(timeout: timeout)
    state = .waiting(timer)
  }

  /// Ends the wait: `silent` only where enough was sent for long enough.
  mutating func giveUp(at now: Instant) {
    guard case .waiting(let timer) = state else { return }
    state = timer.provesSilence(at: now) ? .silent : .undecided
  }

  mutating func drop() {
    if isWaiting { state = .undecided }
  }
}
