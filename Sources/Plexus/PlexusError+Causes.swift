import DatagramSockets
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
    case let error as UDPSocketError:
      self.init(error.code == .portTaken ? .portTaken : .invalidOption, "\(error)", cause: error)
    case let error as STUNError:
      self.init(.noSTUNAnswer, "\(error)", cause: error)
    case let error as RendezvousError:
      self.init(Code(error.code), "\(error)", cause: error)
    case let error as IdentityError:
      self.init(error.code == .unknownIdentity ? .unknownPeer : .unusableIdentity, "\(error)", cause: error)
    case let error as PunchFailure:
      self.init(.peerNotReached, "\(error)", cause: error)
    case let error as PathFailure:
      self.init(error.code == .bothSymmetric ? .symmetricNAT : .peerNotReached, "\(error)", cause: error)
    case let error as SecureStreamError:
      self.init(Code(error.code), "\(error)", cause: error)
    case let error as TubusEnding:
      self.init(.streamBroken, "\(error)", cause: error)
    default:
      self.init(.other, "\(error)", cause: error)
    }
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
