/// Something that takes bytes of strangers, and what must hold whatever they are.
struct FuzzTarget: Sendable {
  /// The name on the command line and of the folder in the corpus.
  let name: String
  /// How many mutated inputs the tests try: as many as take about a second.
  let mutations: Int
  /// Feeds the input. Throws ``Violation`` where something does not hold; a trap says so by itself.
  let run: @Sendable (_ input: [UInt8]) throws -> Void

  /// All there are.
  static let all: [FuzzTarget] = [
    FuzzTarget(name: "stun-message", mutations: 5000, run: fuzzSTUNMessage),
    FuzzTarget(name: "stun-server", mutations: 3000, run: fuzzSTUNServer),
    FuzzTarget(name: "stun-explorer", mutations: 500, run: fuzzNetworkExplorer),
    FuzzTarget(name: "punch", mutations: 2000, run: fuzzPuncher),
    FuzzTarget(name: "reference", mutations: 5000, run: fuzzReference),
    FuzzTarget(name: "ini", mutations: 3000, run: fuzzINIFile),
    FuzzTarget(name: "options", mutations: 5000, run: fuzzOptions),
    FuzzTarget(name: "certificate", mutations: 500, run: fuzzCertificate),
    FuzzTarget(name: "state-files", mutations: 300, run: fuzzStateFiles),
    FuzzTarget(name: "dht-value", mutations: 200, run: fuzzDHTValue),
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
