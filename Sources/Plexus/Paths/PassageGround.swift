import DatagramSockets
import Datagrams
import HolePunching
import STUN

/// What this host brings to one passage: its sockets, and what is known of the ways to them.
struct PassageGround: Sendable {
  /// The socket whose public endpoint the reference line tells, on which peers of version 3.0 are met.
  let main: UDPSocket
  /// Where others see ``main``.
  let publicEndpoint: Endpoint
  /// What servers said of ``main``; nil where only IPv6 is there, and was not asked for.
  let mapping: MappingReport?
  /// Sockets beside the main one.
  let others: [PathSocket]
  /// What servers said of some of them.
  var otherMappings: [AskedSocket] = []
  /// What the peer is told; nil for the public endpoint alone.
  let offer: PunchOffer?

  /// All sockets, in the order in which the offer has them.
  var sockets: [PathSocket] { [PathSocket(main)] + others }

  /// Closes all sockets but the main one.
  func closeOthers() async {
    for other in others { await other.socket.close() }
  }

  /// Closes all sockets. Closing twice does nothing.
  func close() async {
    await closeOthers()
    await main.close()
  }

  /// Refuses a symmetric NAT where the peer knows of no ways but the one that its reference line tells.
  func checkPunchable() throws(PlexusError) {
    guard mapping?.mapping.isSymmetric == true else { return }
    throw PlexusError(
      .symmetricNAT,
      "the NAT of this network is symmetric: it gives every destination another public port, so a peer with a C++ tool or an early release "
        + "cannot be told where to send",
      advice: "let the peer use a present release, use another network here, or have the router forward a UDP port")
  }
}
