import Datagrams
import HolePunching
import NIOCore
import NIOPosix
import Rendezvous
import RendezvousDHT
import RendezvousEmail

/// What a passage needs to know besides who is at its ends.
public struct PlexusConfiguration: Sendable {
  /// The application's name; only peers that use the same one meet. 1 to 255 bytes.
  public var application: String
  /// STUN servers, asked all at once; two or more plain ones also tell whether the NAT is symmetric.
  public var stunServers: [HostAndPort]
  /// The local endpoint to punch; port 0 takes another free one for each passage.
  public var localEndpoint: Endpoint = .any(.v4)
  /// The DHT by which peers meet, unless they do by email.
  public var dht = DHTConfiguration()
  /// The mail servers by which peers meet; nil to meet over the DHT.
  public var email: EmailConfiguration?
  /// TTL or hop limit of the datagrams that open the own NAT and must not reach the peer's: 1 to 255, the reference's 7.
  public var punchHops: UInt8 = 7
  /// How long the two sides try to hear each other once addresses are exchanged.
  public var handshakeTimeout: Duration = .seconds(60)
  /// How long an inviter waits for the peer's answer.
  public var responseTimeout: Duration = .seconds(60)
  /// The words that name the kinds of message on the rendezvous.
  public var subjects = MessageSubjects()
  /// The folder in which the puzzles that were seen are remembered, so that old messages cannot be replayed after a restart.
  public var stateFolder: String
  /// How many invitations an acceptor serves at once; more wait for their turn.
  public var maximumAttempts = 256

  /// What passages are made for; the peer is told, so that both know whether a stream over them is encrypted.
  public var purpose = Purpose.streams
  /// Whether streams may go unencrypted to peers that cannot encrypt them.
  public var security = Security.preferred

  /// What passages are made for.
  public enum Purpose: Sendable {
    /// ``Passage/openStream()``, ``Plexus/export(_:to:)`` and ``Plexus/import(_:from:)``.
    case streams
    /// A payload program, or datagrams of the caller's own.
    case datagrams
  }

  /// Whether streams may go unencrypted.
  public enum Security: String, Sendable, CaseIterable {
    /// Encrypted wherever the peer can; to C++ tools and payload programs streams are only obscured.
    case preferred = "prefer"
    /// Encrypted, or not at all.
    case required = "require"
  }

  /// Called each time the rendezvous is joined: from then on an acceptor can be met.
  public var whenJoined: @Sendable () -> Void = {}

  /// Which ways to this host the peer is told.
  public var ways = Ways.all

  /// Which ways to this host a peer is told.
  public enum Ways: String, Sendable, CaseIterable {
    /// All: addresses of its interfaces, IPv6, and what is known of its NAT. A peer of version 3.0 makes use of the public endpoint alone.
    case all
    /// The public endpoint alone, as in version 3.0. Addresses of the local network stay untold; behind a symmetric NAT, and between two
    /// hosts behind a NAT that does not hairpin, there is no passage then.
    case publicEndpoint = "public"
  }

  /// Who may send the many datagrams that random ports take: one search at a time, of all that share the value. Configurations that are
  /// copied share it.
  public var pathTurns = PathTurns()

  /// Whether the network's router is asked to forward the ports of passages, by PCP, NAT-PMP or UPnP IGD: a way in that needs no luck with
  /// NATs, and the only one between two symmetric ones. Forwarded is the port of the passage alone, for as long as it is open.
  public var mapsPorts = true

  /// The time by which the facade decides.
  public var clock = PlexusClock.system

  /// Where passages' sockets live.
  public var eventLoops: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton

  /// A configuration with everything else at its default.
  public init(application: String, stunServers: [HostAndPort], stateFolder: String = StandardFolders().state) {
    self.application = application
    self.stunServers = stunServers
    self.stateFolder = stateFolder
  }
}
