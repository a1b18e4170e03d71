import COpenDHT

/// A Swift closure as C sees it: an object that the shim releases when OpenDHT has forgotten the callback.
final class Callback<Argument>: Sendable {
  private let body: @Sendable (Argument) -> Void

  init(_ body: @escaping @Sendable (Argument) -> Void) { self.body = body }

  func call(_ argument: Argument) { body(argument) }

  var context: codht_context {
    codht_context(object: Unmanaged.passRetained(self).toOpaque()) { Unmanaged<AnyObject>.release($0) }
  }

  static func at(_ object: UnsafeMutableRawPointer?) -> Callback { Unmanaged<Callback>.object(at: object) }
}

extension Unmanaged where Instance == AnyObject {
  static func release(_ object: UnsafeMutableRawPointer?) {
    if let object { fromOpaque(object).release() }
  }
}

extension Unmanaged {
  /// The object of a context. The shim never calls back without the one that it was given.
  static func object(at pointer: UnsafeMutableRawPointer?) -> Instance {
    guard let pointer else { preconditionFailure("a callback came without its object") }
    return fromOpaque(pointer).takeUnretainedValue()
  }
}
