import Datagrams

/// The protocol of one side of the handshake over a ``PunchLink``. What a method returns ends the punch.
protocol PunchSide: Sendable {
  typealias Conclusion = PunchResult.Conclusion

  /// When ``handleTimeout(over:now:)`` has something to do.
  var nextRepeat: Instant? { get }
  /// When success is certain unless the peer is heard before; holds off giving up.
  func expectedEnd(over link: PunchLink) -> Instant?
  mutating func receive(_ heard: PunchLink.Heard, over link: inout PunchLink, now: Instant) -> Conclusion?
  mutating func handleTimeout(over link: inout PunchLink, now: Instant) -> Conclusion?
}
