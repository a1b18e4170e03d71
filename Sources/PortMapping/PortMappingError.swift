import Datagrams

/// Why a router does not forward a port: one sentence.
public struct PortMappingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Code: String, Hashable, Sendable, CaseIterable {
    /// Nothing answers by this protocol.
    case absent
    /// The router says that nothing listens there.
    case closed
    /// The router answers, and refuses.
    case refused
    /// The router's answer cannot be made use of.
    case unusableAnswer = "unusable-answer"
    /// This machine has no way to a router.
    case noRouter = "no-router"
  }

  /// The kind of failure.
  public var code: Code
  /// What happened, and what to do about it.
  public var description: String
  /// How long the router wants not to be asked again; nil where it says nothing.
  public var pause: Duration?

  init(_ code: Code, _ description: String, pause: Duration? = nil) {
    (self.code, self.description, self.pause) = (code, description, pause)
  }

  init(
    _ code: Code, _ mappingProtocol: PortMappingProtocol, _ router: IPAddress, _ detail: String, pause: Duration? = nil
  ) {
    let sentence =
      switch code {
      case .absent, .closed, .noRouter: "the router \(router) does not speak \(mappingProtocol): \(detail)"
      case .refused: "the router \(router) refuses by \(mappingProtocol) to forward a port: \(detail)"
      case .unusableAnswer: "the router \(router) answers by \(mappingProtocol) what cannot be used: \(detail)"
      }
    self.init(code, sentence, pause: pause)
  }

  static let noRouter = PortMappingError(
    .noRouter,
    "this machine has no default route over IPv4, so there is no router to ask; nothing is lost where it needs none")
}
