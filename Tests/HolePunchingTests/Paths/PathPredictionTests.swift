import STUN
import Testing

@testable import HolePunching

/// What is told before two peers meet. `PathMatrixTests` compares it with what comes of them.
@Suite struct PathPredictionTests {
  @Test(
    arguments: [
      ("cone/open", "cone/port-restricted", .direct), ("unknown/unknown", "cone/port-restricted", .punched),
      ("cone/port-restricted", "cone/port-restricted", .punched),
      ("symmetric/port-restricted/random", "cone/address-restricted", .punched),
      ("symmetric/port-restricted/random", "cone/port-restricted", .portSearch),
      ("symmetric/port-restricted/sequential-2", "cone/unknown", .portSearch),
      ("symmetric/port-restricted/preserving", "cone/port-restricted", .predictedPort),
      ("symmetric/port-restricted/preserving", "symmetric/port-restricted/preserving", .predictedPort),
      ("symmetric/port-restricted/sequential+1", "symmetric/unknown/sequential+2", .counting),
      ("symmetric/address-restricted/random", "symmetric/port-restricted/random", .portSearch),
      ("symmetric/port-restricted/random", "symmetric/port-restricted/sequential+1", .none),
      ("symmetric/port-restricted", "symmetric/port-restricted/random", .none),
    ] as [(String, String, PathPrediction.Way)])
  func theWayFollowsFromBothNetworks(_ own: String, _ peer: String, _ way: PathPrediction.Way) throws {
    let traits = (try #require(NATTraits(own)), try #require(NATTraits(peer)))
    for prediction in [PathPrediction(own: traits.0, peer: traits.1), PathPrediction(own: traits.1, peer: traits.0)] {
      #expect(prediction.way == way)
      #expect((prediction.typicalTime == nil) == (way == .none))
      #expect(prediction.typicalTime ?? .zero <= prediction.longestTime ?? .zero)
    }
  }

  @Test func allTraitsAreReadAsTheyAreWritten() {
    let allocations: [PortAllocation] = [.preserving, .random, .unknown, .sequential(step: 1), .sequential(step: -64)]
    for filtering in FilteringBehavior.allCases {
      for mapping in [MappingBehavior.endpointIndependent, .endpointDependent, .unknown] {
        for allocation in mapping == .endpointDependent ? allocations : [.unknown] {
          let traits = NATTraits(mapping: mapping, filtering: filtering, allocation: allocation)
          #expect(NATTraits(traits.description) == traits, "\(traits)")
        }
      }
    }
  }

  @Test(
    arguments: [
      "", "/", "cone", "cone/", "cone/open/random", "Cone/open", "cone/open ", "symmetric/open/",
      "symmetric/open/sequential",
      "symmetric/open/sequential0", "symmetric/open/sequential1", "symmetric/open/sequential+65",
      "symmetric/open/sequential+01", "symmetric/open/sequential+1/x", "symmetric/open/random,ipv6", "open/open",
    ])
  func otherTextsAreNoTraits(_ text: String) { #expect(NATTraits(text) == nil) }

  @Test(
    arguments: [
      (.peerSilent, ["answered the invitation", "none of its datagrams arrived"]),
      (.oneWay, ["one way only", "firewall"]), (.portNotFound, ["the peer's NAT is symmetric"]),
      (.bothSymmetric, ["both NATs are symmetric", "the peer's gives ports that nobody can predict"]),
      (.notInTurn, ["the peer's NAT is symmetric", "later"]), (.noPairs, ["same family"]),
    ] as [(PathFailure.Code, [String])])
  func aFailureNamesTheLayerAndTheSide(_ code: PathFailure.Code, _ parts: [String]) {
    let failure = PathFailure(
      code: code, duration: .seconds(60), pairs: 4, counters: CheckCounters(), ownTraits: NATTraits(),
      peerTraits: NATTraits(mapping: .addressAndPortDependent, allocation: .random))
    for part in parts { #expect(failure.description.contains(part), "\(failure)") }
  }
}
