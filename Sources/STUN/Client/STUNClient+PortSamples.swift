import DatagramSockets
import Datagrams

/// The public endpoint that a NAT gave to a fresh socket.
public struct MappingSample: Hashable, Sendable {
  /// The socket's own port.
  public var local: UInt16
  /// What the server saw.
  public var mapped: Endpoint
}

extension STUNClient {
  /// Learns which public endpoints a NAT gives to fresh sockets, one after another, all from one server. The sockets are closed on return.
  ///
  /// - Parameters:
  ///   - count: how many sockets; 1 to 16.
  ///   - local: the address that they are bound to, any port.
  ///   - timeout: answers that are not there by then are left out.
  /// - Returns: what was seen, in the order in which the sockets sent.
  /// - Throws: `CancellationError`. What cannot be bound or sent is left out.
  public static func samplePorts(
    count: Int, local: IPAddress, server: STUNServer, timeout: Duration = .milliseconds(600)
  ) async throws -> [MappingSample] {
    var sockets: [UDPSocket] = []
    for _ in 0..<min(max(count, 1), 16) {
      if let socket = try? await UDPSocket.bind(to: Endpoint(address: local, port: 0)) { sockets.append(socket) }
    }
    let result: Result<[MappingSample], any Error>
    do { result = .success(try await sample(sockets, server.endpoint, timeout)) } catch { result = .failure(error) }
    for socket in sockets { await socket.close() }
    return try result.get()
  }

  private static func sample(
    _ sockets: [UDPSocket], _ server: Endpoint, _ timeout: Duration
  ) async throws -> [MappingSample] {
    var random = SystemRandomNumberGenerator()
    let deadline = MonotonicClock.now.advanced(by: timeout)
    let requests = sockets.map { _ in STUNMessage(.request, transactionID: STUNTransactionID(using: &random)) }
    // One by one, so that the order of the mappings is known.
    for (socket, request) in zip(sockets, requests) { try? await socket.send(request.transmit(to: server)) }
    let samples = try await withThrowingTaskGroup(of: (Int, MappingSample?).self) { group in
      for (index, socket) in sockets.enumerated() {
        let request = requests[index]
        group.addTask { (index, try await answer(to: request, on: socket, of: server, until: deadline)) }
      }
      var samples: [Int: MappingSample] = [:]
      for try await (index, sample) in group { samples[index] = sample }
      return samples
    }
    return sockets.indices.compactMap { samples[$0] }
  }

  /// Half of the time for the first request, and half for a repeat.
  private static func answer(
    to request: STUNMessage, on socket: UDPSocket, of server: Endpoint, until deadline: Instant
  ) async throws -> MappingSample? {
    let repeatAt = MonotonicClock.now.advanced(by: MonotonicClock.now.duration(to: deadline) / 2)
    var hasRepeated = false
    while true {
      guard let datagram = try await socket.receive(until: hasRepeated ? deadline : repeatAt) else {
        guard !hasRepeated else { return nil }
        hasRepeated = true
        try? await socket.send(request.transmit(to: server))
        continue
      }
      guard datagram.source == server, let message = try? STUNMessage(decoding: datagram.payload),
        message.transactionID == request.transactionID, message.messageClass == .success,
        let mapped = message.mappedEndpoint, mapped.address.isUnicast, mapped.port != 0
      else {
        // A flood must not keep this going.
        guard MonotonicClock.now < deadline else { return nil }
        continue
      }
      return MappingSample(local: socket.localEndpoint.port, mapped: mapped)
    }
  }
}

extension STUNMessage {
  fileprivate func transmit(to server: Endpoint) -> Transmit { Transmit(to: server, payload: encoded()) }
}
