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
  var sentences: [String] {
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
    case .everyPeer where mapping.isSymmetric == true:
      "Punching works with every peer that runs a present release, because this NAT lets in any port; C++ tools and early releases cannot be told "
        + "where to send."
    case .everyPeer where filtering == .endpointIndependent || filtering == .addressDependent:
      "Punching works with every peer; one behind a symmetric NAT needs a present release."
    case .everyPeer:
      "Punching works with every peer; with one behind a symmetric NAT it takes a search of some seconds, and a present release on both sides."
    case .everyPeerButSymmetric:
      "Punching works with every peer that runs a present release, by a search of some seconds, but those behind a symmetric NAT of their own, "
        + "unless both NATs give ports by a rule; C++ tools and early releases cannot be told where to send. IPv6 or a forwarded UDP port helps with all."
    case .unknown:
      "Whether punching works is not known, but it is worth a try: name a second STUN server, on another address, to find out."
    }
  }

  private var hairpinSentence: String? {
    guard hairpins == false else { return nil }
    return
      "Machines behind this same NAT are reached by their local addresses only: it lets none reach another by its public address."
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
