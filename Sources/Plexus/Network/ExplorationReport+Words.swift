import Datagrams
import STUN

extension ExplorationReport {
  /// The report for people: a few sentences that say what the network does, with whom punching works, and how sure that is.
  public var sentences: [String] { Self.words(on: ipv4, of: .v4) + Self.words(on: ipv6, of: .v6) }

  private static func words(on finding: Finding, of family: IPAddress.Family) -> [String] {
    let words =
      switch finding {
      case .explored(let report): report.sentences
      case .absent(.noRoute): ["this machine has no route to the STUN servers."]
      case .absent(.noServer): ["not explored, because no STUN server has an address of this family."]
      case .absent(.leftOut): ["not explored, because the local address is of the other family."]
      }
    return ["\(family): \(words.first ?? "")"] + words.dropFirst()
  }
}

extension NetworkReport {
  /// What the network does, with whom punching works, and how sure that is; the first sentence begins small, to follow a colon.
  fileprivate var sentences: [String] {
    guard let publicEndpoint else { return ["no STUN server told the public address."] }
    let address = publicEndpoint.address
    return [natSentence(address), prospectSentence, hairpinSentence, confidenceSentence].compactMap { $0 }
  }

  private func natSentence(_ address: IPAddress) -> String {
    switch (isTranslated, mapping.isSymmetric) {
    case (false, _): firewallSentence(address)
    case (_, true):
      "this network has a symmetric NAT: every destination sees this machine at another port of \(address)."
    case (_, false):
      "this network has a NAT that can be punched: every destination sees this machine at the same port of \(address)."
    case (_, nil): "this network has a NAT with the public address \(address); its kind could not be observed."
    }
  }

  private func firewallSentence(_ address: IPAddress) -> String {
    switch filtering {
    case .endpointIndependent: "there is no NAT, and nothing filters: everyone can send to \(address)."
    case .addressDependent, .addressAndPortDependent:
      "there is no NAT, but a firewall: only those whom this machine sends to can send to \(address)."
    case .unknown: "there is no NAT: \(address) is this machine's own address."
    }
  }

  private var prospectSentence: String {
    switch prospect {
    case .everyPeer:
      "Punching works with every peer: even those behind a symmetric NAT are let in, though plexus does not try from there."
    case .everyPeerButSymmetric: "Punching works with every peer but those behind a symmetric NAT."
    case .onlyPeersWithOpenFiltering:
      "Punching does not work, because peers cannot be told where to send: use another network, such as a telephone's, or "
        + "have the router forward a UDP port."
    case .unknown:
      "Whether punching works is not known, but it is worth a try: name a second STUN server, on another address, to find out."
    }
  }

  private var hairpinSentence: String? {
    guard hairpins == false, prospect != .onlyPeersWithOpenFiltering else { return nil }
    return "It does not work with machines behind this same NAT, which lets none reach another by its public address."
  }

  private var confidenceSentence: String? {
    switch confidence {
    case .measured: return "All of this was observed."
    case .likely:
      let doubts = [
        filtering == .unknown ? "no server could test whom the network lets in, so the usual case is assumed" : nil,
        addressVaries == true ? "the public address changes from one socket to the next" : nil,
      ]
      return "This is likely, not certain: \(doubts.compactMap { $0 }.joined(separator: ", and "))."
    case .none: return nil
    }
  }
}
