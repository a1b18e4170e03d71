import NIOCore

/// What a session tells the program around it.
enum SessionEvent: Equatable {
  /// The other end is a Swift one, and this is what both can do.
  case introduced(Hello.Features)
  /// The other end wants a connection to a service (exporter only).
  case opened(UInt32, StreamRequest)
  /// The service answered (importer only, not on the old wire).
  case connected(UInt32)
  /// Bytes for the stream's local side. Tell ``WormholeSession/deliver(_:on:)`` when they are out of our hands.
  case data(UInt32, ByteBuffer)
  /// No more bytes will come; the other direction goes on.
  case finished(UInt32)
  /// The stream is over. Without a reason what came before is still to be delivered; with one it is cut at once.
  case closed(UInt32, CloseReason?)
  /// What was written is mostly on its way: read more.
  case writable(UInt32)
  /// The tunnel is of no more use and is to be closed; the sentence says why.
  case failed(String)
}
