import DatagramSockets
import Datagrams
import HolePunching
import NIOCore
import STUN

extension Plexus {
  /// How long the slower sockets are waited for once one of an uplink has its answer: another uplink whose answer takes longer than that is no
  /// better way.
  private static let patience: Duration = .milliseconds(150)

  /// What asking several sockets at once came to.
  struct Answers: Sendable {
    /// What servers said of the main socket, or why they did not; nil if another uplink was quicker, and it was waited for no longer.
    var main: Result<MappingReport, any Error>?
    /// Those of the others that have an answer.
    var others: [AskedSocket] = []
  }

  /// Binds what is asked beside the main socket: one socket on each further uplink, and, on the main one, one that stays clean; see
  /// ``Candidate/Kind/quiet``. What cannot be bound is done without.
  func bindAskedSockets(on eventLoop: (any EventLoop)?) async -> [PathSocket] {
    var sockets: [PathSocket] = []
    if let socket = try? await bindSocket(on: eventLoop) { sockets.append(PathSocket(socket, purpose: .quiet)) }
    for address in LocalAddresses.furtherUplinks() {
      let local = Endpoint(address: address, port: 0)
      if let socket = try? await UDPSocket.bind(to: local, on: eventLoop ?? configuration.eventLoops) {
        sockets.append(PathSocket(socket))
      }
    }
    return sockets
  }

  /// Asks all sockets' mappings side by side, so that a dead uplink costs no time.
  func askAll(_ main: UDPSocket, _ others: [PathSocket]) async throws -> Answers {
    enum Event {
      case main(Result<MappingReport, any Error>)
      case other(PathSocket, MappingReport?)
      case enough
    }
    return try await withThrowingTaskGroup(of: Event.self) { group in
      defer { group.cancelAll() }
      group.addTask {
        do { return .main(.success(try await publicMapping(of: main))) } catch { return .main(.failure(error)) }
      }
      for other in others {
        group.addTask { .other(other, try? await publicMapping(of: other.socket, isMain: false)) }
      }
      var answers = Answers()
      var waiting = others.count + 1
      var isTimed = false
      while waiting > 0, let event = try await group.next() {
        var isAnswer = false
        switch event {
        case .enough:
          try Task.checkCancellation()
          return answers
        case .main(let result):
          waiting -= 1
          answers.main = result
          if case .success = result { isAnswer = true }
        case .other(let socket, let mapping):
          waiting -= 1
          if let mapping { answers.others.append(AskedSocket(socket: socket, mapping: mapping)) }
          isAnswer = mapping != nil && socket.purpose == .general
        }
        if isAnswer, !isTimed {
          isTimed = true
          group.addTask {
            try? await Task.sleep(for: Self.patience)
            return .enough
          }
        }
      }
      try Task.checkCancellation()
      return answers
    }
  }
}
