import Datagrams
import Foundation
import PlexusTesting
import STUN
import Testing

@testable import HolePunching

@Suite struct PunchOfferTests {
  @Test func anOfferComesOutAsItWentIn() throws {
    var random = SeededGenerator(seed: 1)
    let offer = PunchOffer(
      candidates: [
        Candidate(.host, Endpoint(address: .v4(0xC0A8_0105), port: 4000)),
        Candidate(.host, Endpoint(address: .v6(high: 0x2001_0DB8_0000_0001, low: 5), port: 4001)),
        Candidate(.mapped, Endpoint(address: .v4(0xCB00_710A), port: 5000)),
        Candidate(.serverReflexive, Endpoint(address: .v4(0xCB00_710A), port: 4000)),
        Candidate(.predicted, Endpoint(address: .v4(0xCB00_710A), port: 4010)),
      ],
      traits: NATTraits(
        mapping: .addressAndPortDependent, filtering: .addressDependent, allocation: .sequential(step: -2),
        sampledPorts: [5, 3, 1]), keyShare: KeyShare(using: &random))
    let json = try JSONEncoder().encode(offer)
    #expect(json.count < 600)
    #expect(try JSONDecoder().decode(PunchOffer.self, from: json) == offer)
  }

  @Test func theLargestOfferFitsBesideTheRestOfAMessage() throws {
    var random = SeededGenerator(seed: 1)
    let candidates = (1...40).map {
      Candidate(.host, Endpoint(address: .v6(high: .max >> 3, low: .max - $0), port: 65_535))
    }
    let traits = NATTraits(
      mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, allocation: .sequential(step: -64),
      sampledPorts: (0..<100).map { 65_000 + $0 })
    let offer = PunchOffer(candidates: candidates, traits: traits, keyShare: KeyShare(using: &random))
    #expect(offer.candidates.count == PunchOffer.maximumCandidates)
    #expect(offer.traits.sampledPorts.count == NATTraits.maximumSamples)
    #expect(try JSONEncoder().encode(offer).count < 2048)
  }

  @Test func whatALaterVersionAddsIsSkipped() throws {
    let share = Data(repeating: 7, count: 32).base64EncodedString()
    let text = """
      {"c":[{"k":"h","e":"192.168.1.5:4000","x":1},{"k":"tcp","e":"192.168.1.5:4000"},{"k":"s","e":"nowhere"},17,
      {"k":"s","e":"0.0.0.0:5"},{"k":"s","e":"224.0.0.1:5"},{"k":"r","e":"192.0.2.1:5"},{"k":"h","e":"[fe80::1]:5"}],
      "n":{"m":"psychic","a":"astrological","s":3,"f":"addressDependent"},"k":"\(share)","z":{"deep":[1,2]}}
      """
    let offer = try JSONDecoder().decode(PunchOffer.self, from: Data(text.utf8))
    #expect(offer.candidates.map(\.endpoint.description) == ["192.168.1.5:4000"])
    #expect(offer.traits == NATTraits(mapping: .unknown, filtering: .addressDependent))
  }

  @Test(arguments: [
    "{}", #"{"k":"c2hvcnQ="}"#, #"{"k":7}"#, "[]", #"{"c":[],"n":{},"k":"not base64 of anything at all, no no no"}"#,
  ])
  func withoutAKeyShareThereIsNoOffer(_ text: String) {
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(PunchOffer.self, from: Data(text.utf8)) }
  }

  @Test func nearAddressesComeFirst() {
    let kinds = [
      Candidate(.host, Endpoint(address: .v4(0x0A00_0001), port: 1)),
      Candidate(.host, Endpoint(address: .v6(high: 0x2001_0DB8_0000_0001, low: 5), port: 1)),
      Candidate(.host, Endpoint(address: .v4(0xCB00_710A), port: 1)),
      Candidate(.mapped, Endpoint(address: .v4(0xCB00_710A), port: 1)),
      Candidate(.serverReflexive, Endpoint(address: .v4(0xCB00_710A), port: 1)),
      Candidate(.predicted, Endpoint(address: .v4(0xCB00_710A), port: 1)),
    ]
    #expect(kinds.map(\.priority) == kinds.map(\.priority).sorted(by: >))
  }

  @Test func aKeyShareIsNotShown() {
    var random = SeededGenerator(seed: 1)
    var text = ""
    let share = KeyShare(using: &random)
    dump(share, to: &text)
    #expect("\(share) \(text) \(String(reflecting: share))".contains("key share"))
    #expect(!"\(text) \(String(reflecting: share))".contains("\(share.bytes[0]), "))
  }
}
