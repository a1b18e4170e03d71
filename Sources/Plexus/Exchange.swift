import HolePunching
import Identity
import Rendezvous

/// What two peers told each other over the rendezvous.
struct Exchange: Sendable {
  var peer: PeerIdentity
  var own: Reference
  var theirs: Reference
  /// Greater for a later attempt of the peer: the number of its invitation.
  var attempt: UInt64 = 0

  var secret: PassageSecret { PassageSecret(own.secret(with: theirs)) }

  /// Whether both speak TLS over the passage.
  var isSecurable: Bool { own.offersSecureStream && theirs.offersSecureStream }

  /// The stream that both want to carry on.
  var continues: StreamToken? {
    let token = PassageSupplement(text: own.supplement.text).continues
    return token == PassageSupplement(text: theirs.supplement.text).continues ? token : nil
  }

  /// Where each side may be reached; nil if one of them tells nothing beyond its reference line.
  var offers: (own: PunchOffer, theirs: PunchOffer)? {
    guard let own = PassageSupplement(text: own.supplement.text).offer,
      let theirs = PassageSupplement(text: theirs.supplement.text).offer
    else { return nil }
    return (own, theirs)
  }
}
