import NIOCore

/// What each Swift end says first, on the reserved id: that it knows more than the old wire, and what.
struct Hello: Hashable, Sendable {
  /// What an end can do beyond the old wire. Only what both can is used.
  struct Features: OptionSet, Hashable, Sendable {
    var rawValue: UInt32
    /// Streams with windows, half-close, and reasons for their end.
    static let windows = Features(rawValue: 1)
    /// Services by name.
    static let names = Features(rawValue: 2)
    /// UDP services.
    static let datagrams = Features(rawValue: 4)

    /// All of this version.
    static let all: Features = [.windows, .names, .datagrams]
  }

  /// Which end of the tunnel it is.
  var role: WormholeSession.Role
  var features: Features
  /// How many bytes the other end may send on a new stream before it is granted more.
  var initialWindow: UInt32

  /// "PLXWORM" and the version: no old wormhole sends it, and none looks at it.
  private static let magic: UInt64 = 0x504C_5857_4F52_4D01

  func write(to buffer: inout ByteBuffer) {
    buffer.writeInteger(Self.magic)
    buffer.writeInteger(role == .importer ? 0 : 1, as: UInt8.self)
    buffer.writeInteger(features.rawValue)
    buffer.writeInteger(initialWindow)
  }

  init(role: WormholeSession.Role, features: Features = .all, initialWindow: UInt32) {
    self.role = role
    self.features = features
    self.initialWindow = initialWindow
  }

  /// Reads the value of a hello; what stands behind what we know is for later versions.
  init?(reading buffer: inout ByteBuffer) {
    guard buffer.readInteger() == Self.magic, let role: UInt8 = buffer.readInteger(),
      let features: UInt32 = buffer.readInteger(), let window: UInt32 = buffer.readInteger()
    else { return nil }
    self.init(
      role: role == 0 ? .importer : .exporter, features: Features(rawValue: features).intersection(.all),
      initialWindow: window)
  }
}
