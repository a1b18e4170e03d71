import DatagramSockets
import FoundationEssentials
import HolePunching
import Identity
import Rendezvous
import STUN
import SecureStreams
import Tubus

extension PlexusError {
  /// Says in the facade's terms what a module below has thrown.
  init(_ error: any Error) {
    switch error {
    case let error as PlexusError: self = error
    case let error as UDPSocketError: self.init(error.code == .portTaken ? .portTaken : .invalidOption, below: error)
    case let error as STUNError: self.init(.noSTUNAnswer, below: error)
    case let error as RendezvousError: self.init(Code(error.code), below: error)
    case let error as IdentityError:
      self.init(error.code == .unknownIdentity ? .unknownPeer : .unusableIdentity, below: error)
    case let error as PunchFailure: self.init(.peerNotReached, below: error)
    case let error as PathFailure:
      self.init(error.code == .bothSymmetric ? .symmetricNAT : .peerNotReached, below: error)
    case let error as SecureStreamError: self.init(Code(error.code), below: error)
    case let error as TubusEnding: self.init(.streamBroken, below: error)
    default: self.init(.other, "\(error)", cause: error)
    }
  }

  /// The modules below say in one sentence what happened and, after its last semicolon, what to do.
  private init(_ code: Code, below error: any Error) {
    let parts = "\(error)".components(separatedBy: "; ")
    guard let advice = parts.last, parts.count > 1 else {
      self.init(code, "\(error)", cause: error)
      return
    }
    self.init(code, parts.dropLast().joined(separator: "; "), advice: advice, cause: error)
  }

  /// The error as its sentence has it, or the cancellation that it is.
  static func describing(_ error: any Error) -> any Error {
    error is CancellationError ? error : PlexusError(error)
  }

  init(declinedBy peer: IdentityName, reason: DeclineReason) {
    switch reason {
    case .symmetricNAT:
      self.init(
        .declined, "\(peer) cannot be reached: its NAT is symmetric and gives every destination another public port",
        advice: "let it use another network, or have its router forward a UDP port")
    case .noSTUNAnswer:
      self.init(
        .declined, "\(peer) cannot be reached: no STUN server tells it its public address",
        advice: "let it name other STUN servers")
    case .busy:
      self.init(.declined, "\(peer) serves as many peers as it can", advice: "try again in a minute")
    case .other(let word):
      self.init(.declined, "\(peer) declined: \(word)", advice: "ask it why")
    }
  }
}

extension PlexusError.Code {
  fileprivate init(_ code: SecureStreamError.Code) {
    switch code {
    case .unusableIdentity: self = .unusableIdentity
    case .notAuthenticated, .otherApplication: self = .notAuthenticated
    case .broken: self = .streamBroken
    }
  }

  fileprivate init(_ code: RendezvousError.Code) {
    switch code {
    case .notJoined, .notAdmitted: self = .rendezvousUnreachable
    case .portTaken: self = .portTaken
    case .unusableKey, .unusableAddress: self = .unusableIdentity
    case .rejected: self = .rendezvousUnreachable
    case .unanswered: self = .unanswered
    case .stateUnusable: self = .unwritableFile
    case .notRunning, .cannotStart: self = .other
    }
  }
}

extension DeclineReason {
  /// What to tell a peer that waits, when no passage can be tried; nil when it is nothing that the peer should know.
  init?(_ error: any Error) {
    switch PlexusError(error).code {
    case .symmetricNAT: self = .symmetricNAT
    case .noSTUNAnswer: self = .noSTUNAnswer
    // A fixed port is taken by the payload of an earlier passage more often than not.
    case .portTaken, .busy: self = .busy
    default: return nil
    }
  }
}
