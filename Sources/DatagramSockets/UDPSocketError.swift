import Datagrams
import Glibc
import NIOCore

/// Why a UDP socket could not be had or used: one sentence that says what to do.
public struct UDPSocketError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Sendable { case portTaken, addressNotLocal, notPermitted, familyMismatch, other }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String

  init(bindingTo local: Endpoint, underlying: any Error) {
    switch (underlying as? IOError)?.errnoCode {
    case EADDRINUSE:
      self.init(
        code: .portTaken,
        description: "UDP port \(local.port) of \(local.address) is taken by another program; "
          + "choose another port, or 0 for any")
    case EADDRNOTAVAIL:
      self.init(
        code: .addressNotLocal,
        description: "\(local.address) is no address of this machine; choose one that is, or "
          + "\(IPAddress.unspecified(local.address.family)) for any")
    case EACCES, EPERM:
      self.init(
        code: .notPermitted,
        description: "UDP port \(local.port) may not be bound by this user; choose one above 1023")
    default:
      self.init(code: .other, description: "cannot bind UDP \(local): \(underlying)")
    }
  }

  init(sendingTo destination: Endpoint, from local: Endpoint) {
    self.init(
      code: .familyMismatch,
      description: "a socket bound to \(local.address) cannot send \(destination.address.family) to \(destination); "
        + "bind it to an \(destination.address.family) address")
  }

  private init(code: Code, description: String) {
    self.code = code
    self.description = description
  }
}
