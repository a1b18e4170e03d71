import NIOCore
import Tubus

extension Channel {
  /// How a tubus stands, in a few words.
  var tubusSummary: String { tubusStatistics?.summary ?? "no tubus" }
}

extension TubusStatistics {
  fileprivate var summary: String {
    "sent \(bytesDelivered) and received \(bytesReceived) bytes, in flight \(bytesInFlight) of \(window), "
      + "pace \(Int(pacingRate)) B/s, round trip \(roundTrip / 1_000_000) ms, lost \(movesLost), "
      + "refused \(movesRefused), datagrams out \(datagramsSent) in \(datagramsReceived)"
  }
}

extension WormholeSession {
  /// The streams that hold or wait for the most, in a few words each.
  var summary: String {
    let busy = streams.values.sorted { ($0.queued + $0.window.held) > ($1.queued + $1.window.held) }.prefix(4)
    let parts = busy.map { stream in
      "stream \(stream.id) queued \(stream.queued) credit \(stream.isNegotiated ? stream.credit : -1) "
        + "held \(stream.window.held) of \(stream.window.wanted) received \(stream.window.received)"
        + (stream.isReady ? " ready" : "") + (stream.wantsWritable ? " waits" : "")
    }
    return "\(streams.count) streams, urgent \(urgent.readableBytes)"
      + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
  }
}
