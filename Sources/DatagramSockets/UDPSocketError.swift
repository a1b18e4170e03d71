import Datagrams
import LibC

/// Why a UDP socket could not be had or used: one sentence that says what to do.
public struct UDPSocketError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Code: Sendable {
    /// Another program holds the port.
    case portTaken
    /// The address is none of this host.
    case addressNotLocal
    /// The port is for root.
    case notPermitted
    /// An IPv6 socket was to send to an IPv4 address, or the other way round.
    case familyMismatch
    /// The kernel did not take a datagram, as without a network.
    case sendRefused
    /// Something else; the description says what.
    case other
  }

  /// What went wrong, for programs.
  public var code: Code
  /// What went wrong and what to do, for people.
  public var description: String
  /// The kernel's words alone, where a kernel refused a send.
  public var reason: String?
  /// What could not be bound, where it was that.
  public var local: Endpoint?

  init(bindingTo local: Endpoint, errno: CInt) {
    switch errno {
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
      self.init(code: .other, description: "cannot bind UDP \(local): \(Self.text(errno))")
    }
    self.local = local
  }

  init(sendingTo destination: Endpoint, from local: Endpoint) {
    self.init(
      code: .familyMismatch,
      description: "a socket bound to \(local.address) cannot send \(destination.address.family) to \(destination); "
        + "bind it to an \(destination.address.family) address")
  }

  init(sendingTo destination: Endpoint, errno: CInt) {
    self.init(
      code: .sendRefused,
      description: "cannot send to \(destination): \(Self.text(errno)); see that this host has a network",
      reason: Self.text(errno))
  }

  private static func text(_ errno: CInt) -> String { String(cString: strerror(errno)) }

  private init(code: Code, description: String, reason: String? = nil) {
    self.code = code
    self.description = description
    self.reason = reason
    local = nil
  }
}
