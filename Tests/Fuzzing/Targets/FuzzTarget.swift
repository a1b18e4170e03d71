/// Something that takes bytes of strangers, and what must hold whatever they are.
struct FuzzTarget: Sendable {
  /// The name on the command line and of the folder in the corpus.
  let name: String
  /// How many mutated inputs the tests try: as many as take about a second in a debug build.
  let mutations: Int
  /// Feeds the input. Throws ``Violation`` where something does not hold; a trap says so by itself.
  let run: @Sendable (_ input: [UInt8]) throws -> Void

  /// All there are.
  static let all: [FuzzTarget] = [
    FuzzTarget(name: "stun", mutations: 3000, run: fuzzSTUN),
    FuzzTarget(name: "stun-explorer", mutations: 200, run: fuzzNetworkExplorer),
    FuzzTarget(name: "port-mapping", mutations: 2000, run: fuzzPortMapping),
    FuzzTarget(name: "punch", mutations: 1000, run: fuzzPuncher),
    FuzzTarget(name: "wormhole", mutations: 1000, run: fuzzWormhole),
    FuzzTarget(name: "text", mutations: 2000, run: fuzzText),
    FuzzTarget(name: "files", mutations: 300, run: fuzzFiles),
    FuzzTarget(name: "node-cache", mutations: 1000, run: fuzzKnownNodes),
    FuzzTarget(name: "dht-value", mutations: 100, run: fuzzDHTValue),
    FuzzTarget(name: "mail-server", mutations: 1000, run: fuzzMailServers),
    FuzzTarget(name: "mail", mutations: 300, run: fuzzMail),
    FuzzTarget(name: "tubus-datagram", mutations: 100, run: fuzzTubusDatagram),
    FuzzTarget(name: "tubus-operations", mutations: 100, run: fuzzTubusOperations),
  ]
}

/// What does not hold.
struct Violation: Error, CustomStringConvertible {
  let description: String
}

/// Throws ``Violation`` unless `condition` holds.
func demand(_ condition: Bool, _ otherwise: @autoclosure () -> String) throws {
  guard condition else { throw Violation(description: otherwise()) }
}
