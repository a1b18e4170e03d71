import NIOCore

/// What a stream of the tunnel ends in on this machine: a client, a service, a flow of datagrams. Lives on the tunnel's event loop.
protocol LocalSide: AnyObject {
  /// Whether the tunnel will call ``flush()`` at the end of what it is reading.
  var isTouched: Bool { get set }
  /// Takes bytes that came out of the tunnel.
  func receive(_ bytes: ByteBuffer)
  /// Hands on what was received.
  func flush()
  /// Nothing more will come.
  func finish()
  /// The stream is over. Without a reason what came is still to be delivered, with one it is cut at once.
  func close(_ reason: CloseReason?)
  /// The tunnel takes more.
  func resume()
}
