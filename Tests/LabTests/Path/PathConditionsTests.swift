import PlexusTesting
import Testing

@Suite struct PathConditionsTests {
  @Test func quantitiesAreReadAsPeopleWriteThem() {
    #expect(PathQuantity.rate("100mbit") == 100_000_000)
    #expect(PathQuantity.rate("1.5Gbit") == 1_500_000_000)
    #expect(PathQuantity.rate("56kbit") == 56_000)
    #expect(PathQuantity.duration("40ms") == .milliseconds(40))
    #expect(PathQuantity.duration("0.5s") == .milliseconds(500))
    #expect(PathQuantity.duration("250us") == .microseconds(250))
    #expect(PathQuantity.bytes("500KB") == 500_000)
    #expect(PathQuantity.bytes("64KiB") == 65536)
    #expect(PathQuantity.bytes("1500") == 1500)
    #expect(PathQuantity.share("1%") == 0.01)
    #expect(PathQuantity.share("100%") == 1)
  }

  @Test(arguments: [
    "", "mbit", "100", "-1mbit", "1e3mbit", "0x10mbit", "1 mbit", "infmbit", "1.2.3mbit", "99999999999gbit",
  ])
  func otherTextsAreNoRate(text: String) { #expect(PathQuantity.rate(text) == nil) }

  @Test func sharesEndAtHundredPercent() {
    #expect(PathQuantity.share("101%") == nil)
    #expect(PathQuantity.share("0.01") == nil)
  }

  @Test(arguments: [
    PathConditions(rate: 10), PathConditions(rtt: .seconds(200)), PathConditions(loss: 1.5), PathConditions(loss: .nan),
    PathConditions(buffer: 0), PathConditions(mtu: 100),
  ]) func impossibleConditionsAreRefused(conditions: PathConditions) async {
    let error = await #expect(throws: LabError.self) { try await withPath(conditions) { _ in } }
    #expect(error?.code == .invalidTopology)
  }
}
