import Identity

/// Who is at the other end of a tunnel, and who begins.
public enum Counterpart: Sendable {
  /// Peers that invite us, out of those in the repository: one tunnel each.
  case whoeverInvites(IdentityPattern)
  /// This peer, which accepts; it is invited again whenever the tunnel breaks.
  case peer(IdentityName)
}
