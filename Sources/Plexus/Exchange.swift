import Identity
import Rendezvous

/// What two peers told each other over the rendezvous.
struct Exchange: Sendable {
  var peer: PeerIdentity
  var own: Reference
  var theirs: Reference

  var secret: PassageSecret { PassageSecret(own.secret(with: theirs)) }
}
