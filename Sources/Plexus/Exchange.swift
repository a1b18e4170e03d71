import Identity
import Rendezvous

/// What two peers told each other over the rendezvous.
struct Exchange: Sendable {
  var peer: PeerIdentity
  var own: Reference
  var theirs: Reference

  var secret: PassageSecret { PassageSecret(own.secret(with: theirs)) }

  /// Whether both speak TLS over the passage.
  var isSecurable: Bool { own.offersSecureStream && theirs.offersSecureStream }

  /// The stream that both want to carry on.
  var continues: StreamToken? {
    let token = PassageSupplement(text: own.supplement.text).continues
    return token == PassageSupplement(text: theirs.supplement.text).continues ? token : nil
  }
}
