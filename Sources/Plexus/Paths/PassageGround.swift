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
  private(set) var publicEndpoint: Endpoint
  /// What servers said of ``main``; nil where only IPv6 is there, and was not asked for.
  let mapping: MappingReport?
  /// The router's forwarding of ``main``'s port, which ends with the socket; nil where none was asked for.
  let lease: PortLease?
  /// Sockets beside the main one.
  let others: [PathSocket]
  /// What servers said of some of them.
  var otherMappings: [AskedSocket] = []
  /// What the peer is told; nil for the public endpoint alone.
  private(set) var offer: PunchOffer?

  /// Whether ``publicEndpoint`` is one that the router forwards: then it holds for everyone, whatever the NAT does otherwise.
  private(set) var isForwarded = false

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

  /// The same with the port that the router forwards, if it does so soon.
  ///
  /// To be asked for when everything else is there: a router that answers mostly has done so by then.
  func withForwardedPort() async -> PassageGround {
    guard let mapping, let mapped = await forwardedPort(mapping) else { return self }
    var ground = self
    // Never instead of what STUN saw, which is the same where the NAT keeps ports.
    if let offer, mapped.external != mapping.publicEndpoint {
      ground.offer = PunchOffer(
        candidates: offer.candidates + [Candidate(.mapped, mapped.external)], traits: offer.traits,
        keyShare: offer.keyShare)
    }
    // What a peer of version 3.0 is told: with a symmetric NAT, what STUN saw leads nowhere. An address of a provider's inside would lead
    // most peers to nowhere, too.
    if mapping.mapping.isSymmetric == true, mapped.external.address.isPublic {
      (ground.publicEndpoint, ground.isForwarded) = (mapped.external, true)
    }
    return ground
  }

  /// What may be waited for a router. A NAT that can be punched needs none: one that was asked gets the time of two requests to the slow web server of UPnP, one that
  /// is silent none worth the name. With a symmetric NAT the passage may depend on it, and takes half a second and more without.
  private func forwardedPort(_ mapping: MappingReport) async -> MappedPort? {
    mapping.mapping.isSymmetric == true
      ? await lease?.mapped(within: .milliseconds(1000), ofSilence: .milliseconds(300))
      : await lease?.mapped(within: .milliseconds(150), ofSilence: .milliseconds(20))
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
