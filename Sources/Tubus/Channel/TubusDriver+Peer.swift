import DatagramSockets
import Datagrams

extension TubusDriver {
  /// A connection and what the driver keeps with it.
  final class Peer {
    let channel: TubusChannel
    let name: SocketName
    /// The earliest entry of `deadlines` that counts.
    var scheduled: Instant?
    var isTouched = false
    var isServing = false
    /// Somebody asked to serve it while it was served.
    var needsService = false
    /// What it counts for in `bufferedBytes`.
    var buffered = 0
    /// What to do when the peer has answered, or never does.
    var onLinked: ((TubusEnding?) -> Void)?

    init(channel: TubusChannel, name: SocketName) { (self.channel, self.name) = (channel, name) }
  }
}
