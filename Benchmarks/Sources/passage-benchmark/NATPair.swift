import PlexusTesting

/// What the two sides of a passage are behind.
struct NATPair: Hashable {
  let acceptor: Lab.NATKind
  let inviter: Lab.NATKind

  /// Every pair of kinds that the reference can connect.
  static let all: [NATPair] = {
    let kinds = Lab.NATKind.allCases.filter { $0 != .symmetric }
    return kinds.flatMap { acceptor in kinds.map { NATPair(acceptor: acceptor, inviter: $0) } }
  }()

  /// Seconds until both payloads run, measured on the C++ tools, plexus 3.2.3; nil where nobody measured.
  var referenceSeconds: Double? {
    switch (acceptor, inviter) {
    case (.fullCone, .fullCone): 2.8
    case (.open, .portRestricted): 5.6
    case (.fullCone, .portRestricted): 7.0
    case (.addressRestricted, .portRestricted): 8.2
    case (.portRestricted, .portRestricted): 12.4
    default: nil
    }
  }

  init(acceptor: Lab.NATKind, inviter: Lab.NATKind) {
    self.acceptor = acceptor
    self.inviter = inviter
  }

  /// Reads `port-restricted,open`.
  init(_ text: String) throws {
    let kinds = text.split(separator: ",").map { Lab.NATKind(rawValue: String($0)) }
    guard kinds.count == 2, let acceptor = kinds[0], let inviter = kinds[1] else {
      let names = Lab.NATKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw BenchmarkError("\(text) is not two NAT kinds with a comma between; the kinds are \(names)")
    }
    self.init(acceptor: acceptor, inviter: inviter)
  }
}
