import DatagramSockets
import Datagrams
import HolePunching
import PortMapping
import STUN

/// What this host brings to one passage: its sockets, and what is known of the ways to them.
struct PassageGround: Sendable {
  /// The socket whose public endpoint the reference line tells, on which peers of version 3.0 are met.
  let main: UDPSocket
  /// Where others see ``main``.
  let publicEndpoint: Endpoint
  /// What servers said of ``main``; nil where only IPv6 is there, and was not asked for.
  let mapping: MappingReport?
  /// The router's forwarding of ``main``'s port, which ends with the socket; nil where none was asked for.
  let lease: PortLease?
  /// Sockets beside the main one.
  let others: [PathSocket]
  /// What the peer is told; nil for the public endpoint alone.
  let offer: PunchOffer?

  /// Whether ``publicEndpoint`` is one that the router forwards: then it holds for everyone, whatever the NAT does otherwise.
  let isForwarded: Bool

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
    guard mapping?.mapping.isSymmetric == true, !isForwarded else { return }
    throw PlexusError(
      .symmetricNAT,
      "the NAT of this network is symmetric: it gives every destination another public port, so a peer with a C++ tool or an early release "
        + "cannot be told where to send",
      advice: "let the peer use a present release, use another network here, or have the router forward a UDP port")
  }
}
