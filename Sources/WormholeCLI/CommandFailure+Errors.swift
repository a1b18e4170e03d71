import CLISupport
import Wormhole

extension CommandFailure {
  /// The failure as the command line shows it; nil for errors of the argument parser, which knows best.
  init?(describing error: any Error) {
    switch error {
    case let error as CommandFailure: self = error
    case let error as WormholeError:
      switch error.code {
      case .notListening, .tunnelImpossible: self.init(.system, error.description)
      case .farEndUnreachable, .tunnelLost, .protocolViolation: self.init(.unavailable, error.description)
      }
    default: return nil
    }
  }
}
