import CLISupport
import Plexus

extension CommandFailure {
  /// The failure as the command line shows it; nil for errors of the argument parser, which knows best.
  init?(describing error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as PlexusError: self.init(error.code.status, error.description)
    case let error as IdentityError: self.init(error.code.status, error.description)
    case let error as WormholeError: self.init(error.code == .notListening ? .system : .unavailable, error.description)
    default: return nil
    }
  }
}

extension IdentityError.Code {
  fileprivate var status: CommandFailure.Status {
    switch self {
    case .badName, .badOption: .usage
    case .fileUnusable: .noInput
    case .fileNotWritable: .cannotCreate
    case .repositoryUnusable, .unknownIdentity, .notOwn, .fileTooLarge, .notACertificate,
      .privateKeyInsteadOfCertificate,
      .unsupportedKey, .expired, .notYetValid, .badPrivateKey, .keyMismatch, .alreadyExists:
      .configuration
    }
  }
}

extension PlexusError.Code {
  fileprivate var status: CommandFailure.Status {
    switch self {
    case .invalidOption: .usage
    case .unreadableFile: .noInput
    case .unwritableFile: .cannotCreate
    case .unknownPeer, .unusableIdentity: .configuration
    case .noSTUNAnswer, .symmetricNAT, .rendezvousUnreachable, .unanswered, .declined, .peerNotReached, .busy,
      .notSecure, .notAuthenticated, .streamBroken:
      .unavailable
    case .portTaken, .payloadNotStarted, .other: .system
    }
  }
}
