import Datagrams
import PlexusTesting
import Testing

@testable import STUN

/// Full explorations in virtual time.
@Suite struct NetworkExplorerTests {
  static let twoAddresses = ["198.51.100.1:3478", "198.51.100.1:3479", "198.51.100.2:3478", "198.51.100.2:3479"]
  static let kinds: [MappingBehavior] = [.endpointIndependent, .addressDependent, .addressAndPortDependent]
  static let filters: [FilteringBehavior] = [.endpointIndependent, .addressDependent, .addressAndPortDependent]

  @Test(arguments: kinds, filters)
  func aServerWithTwoAddressesTellsEveryKindOfNAT(_ mapping: MappingBehavior, _ filtering: FilteringBehavior) throws {
    var nat = NATBehaviour(mapping, filtering)
    nat.hairpins = true
    let network = ExplorerBench(nat: nat, servers: [.real(Self.twoAddresses)])
    let report = try network.explore().report
    #expect(report.mapping == mapping)
    #expect(report.filtering == filtering)
    #expect(report.isTranslated == true)
    #expect(report.publicEndpoint?.description == "203.0.113.1:50000")
    #expect(report.duration <= .milliseconds(1500))
    #expect(report.servers[0].filtering == filtering)
  }

  @Test(arguments: filters)
  func aFilterForTheWholeHostIsNotOpenedByTheMappingProbes(_ filtering: FilteringBehavior) throws {
    var nat = NATBehaviour(.endpointIndependent, filtering)
    nat.filterScope = .host
    let network = ExplorerBench(nat: nat, servers: [.real(Self.twoAddresses)])
    let report = try network.explore().report
    #expect(report.filtering == filtering)
    #expect(report.mapping == .endpointIndependent)
  }

  @Test(arguments: filters)
  func aHostWithoutNATLearnsItsFirewall(_ filtering: FilteringBehavior) throws {
    var network = ExplorerBench(servers: [.real(Self.twoAddresses)])
    network.firewall = filtering
    let report = try network.explore().report
    #expect(report.isTranslated == false)
    #expect(report.mapping == .endpointIndependent)
    #expect(report.filtering == filtering)
    #expect(report.hairpins == nil)
    #expect(report.isPortPreserved == true)
    #expect(report.addressVaries == false)
  }

  @Test func anExplorationEndsAtOnceWhereNothingStaysSilent() throws {
    let network = ExplorerBench(servers: [.real(Self.twoAddresses)])
    #expect(try network.explore().report.duration <= .milliseconds(41))
  }

  @Test(arguments: [true, false], filters)
  func hairpinningIsSeen(_ hairpins: Bool, _ filtering: FilteringBehavior) throws {
    var nat = NATBehaviour(.endpointIndependent, filtering)
    nat.hairpins = hairpins
    let network = ExplorerBench(nat: nat, servers: [.real(Self.twoAddresses)])
    let run = try network.explore()
    #expect(run.report.hairpins == hairpins)
    #expect(run.events.contains { $0.event == .hairpinning(hairpins) })
  }

  @Test func changedPortsAndAddressesAreSeen() throws {
    var nat = NATBehaviour(.endpointIndependent, .addressAndPortDependent)
    nat.allocation = .sequential
    var network = ExplorerBench(nat: nat, servers: [.real(Self.twoAddresses)])
    network.otherAddresses = [.v4(0xCB00_7102)]
    let report = try network.explore().report
    #expect(report.isPortPreserved == false)
    #expect(report.addressVaries == true)
    #expect(report.confidence == .likely)
  }

  @Test func twoPortsOfOneAddressTellWhatTheyCan() throws {
    let server = ExplorerBench.Server.real(["198.51.100.1:3478", "198.51.100.1:3479"])
    let strict = ExplorerBench(nat: NATBehaviour(.addressAndPortDependent, .addressAndPortDependent), servers: [server])
    let strictReport = try strict.explore().report
    #expect(strictReport.mapping == .addressAndPortDependent)
    #expect(strictReport.filtering == .addressAndPortDependent)
    for open in [MappingBehavior.endpointIndependent, .addressDependent] {
      let network = ExplorerBench(nat: NATBehaviour(open, .addressDependent), servers: [server])
      let report = try network.explore().report
      #expect(report.mapping == .unknown)
      #expect(report.filtering == .unknown)
    }
  }

  @Test func plainServersTellNoFiltering() throws {
    let network = ExplorerBench(
      nat: NATBehaviour(.endpointIndependent, .endpointIndependent),
      servers: [.real(["198.51.100.1:3478"]), .real(["198.51.100.9:3478"])])
    let report = try network.explore().report
    #expect(report.mapping == .endpointIndependent)
    #expect(report.filtering == .unknown)
    #expect(report.prospect == .everyPeer)
    #expect(report.confidence == .likely)
  }

  /// The second server on the list is the first one's alternate address: asking it must not open the tested filter.
  @Test func aServerThatIsListedWithBothItsAddressesDoesNotFakeAnOpenFilter() throws {
    let network = ExplorerBench(
      nat: NATBehaviour(.endpointIndependent, .addressDependent), servers: [.real(Self.twoAddresses)])
    let report = try network.explore(["198.51.100.1:3478", "198.51.100.2:3478"]).report
    #expect(report.filtering == .addressDependent)
    #expect(report.mapping == .endpointIndependent)
  }

  /// It answers CHANGE-REQUEST from its own address as if nothing had been asked.
  @Test func aServerThatIgnoresChangeRequestsTellsNoFiltering() throws {
    let other = try #require(Endpoint("198.51.100.2:3479"))
    let network = ExplorerBench(
      nat: NATBehaviour(.endpointIndependent, .addressAndPortDependent),
      servers: [
        .scripted("198.51.100.1:3478") { request in
          Self.answer(request, [.xorMappedAddress(request.source), .otherAddress(other)])
        }
      ])
    let report = try network.explore().report
    #expect(report.filtering == .unknown)
    #expect(report.mapping == .unknown)
  }

  /// What stays silent from there says nothing about the filter.
  @Test func aDeadAlternateAddressTellsNoFiltering() throws {
    var network = ExplorerBench(
      nat: NATBehaviour(.endpointIndependent, .endpointIndependent), servers: [.real(Self.twoAddresses)])
    let primary = Endpoint("198.51.100.1:3478")
    network.loses = { source, destination, _ in source.port < 4000 && source != primary || destination.port == 3479 }
    let report = try network.explore().report
    #expect(report.filtering == .unknown)
    #expect(report.duration == .milliseconds(1500))
  }

  @Test(arguments: kinds, filters)
  func everyFirstRequestMayGetLostWithoutAWrongVerdict(_ mapping: MappingBehavior, _ filtering: FilteringBehavior)
    throws
  {
    var network = ExplorerBench(nat: NATBehaviour(mapping, filtering), servers: [.real(Self.twoAddresses)])
    network.loses = { _, destination, number in destination.port < 4000 && number == 0 }
    let report = try network.explore().report
    #expect(Self.acceptable(for: mapping).contains(report.mapping))
    #expect(report.filtering == filtering || report.filtering == .unknown)
    #expect(report.publicEndpoint != nil)
  }

  /// The budget of `plexus explore`, and links over half the world.
  @Test(arguments: [5, 50, 100, 150, 160, 170, 200, 250])
  func slowLinksGetTheirVerdictsInTime(roundTrip: Int) throws {
    var network = ExplorerBench(
      nat: NATBehaviour(.endpointIndependent, .addressAndPortDependent), servers: [.real(Self.twoAddresses)])
    network.delay = .microseconds(roundTrip * 500)
    let report = try network.explore(configuration: .init(budget: .milliseconds(1400))).report
    #expect(report.mapping == .endpointIndependent && report.filtering == .addressAndPortDependent)
    #expect(report.duration <= .milliseconds(1400))
  }

  @Test func silenceAfterASingleLossIsNoVerdict() throws {
    // The repeats of the filtering tests bring the answer.
    var network = ExplorerBench(servers: [.real(Self.twoAddresses)])
    network.loses = { source, _, number in source.port == 3479 && number < 2 }
    #expect(try network.explore().report.filtering == .endpointIndependent)
  }

  @Test(arguments: kinds)
  func aLateAnswerOfTheFilteringTestDoesNotCutTheMappingTestShort(_ mapping: MappingBehavior) throws {
    var nat = NATBehaviour(mapping, .endpointIndependent)
    nat.hairpins = true
    var network = ExplorerBench(nat: nat, servers: [.real(Self.twoAddresses)])
    let alternate = Endpoint("198.51.100.2:3479")
    network.loses = { source, _, number in source == alternate && number < 1 }
    let report = try network.explore().report
    #expect(report.filtering == .endpointIndependent)
    #expect(report.mapping == mapping)
  }

  @Test func withoutAnyAnswerTheReportSaysSoInTime() throws {
    var network = ExplorerBench(servers: [.real(Self.twoAddresses)])
    network.loses = { _, _, _ in true }
    let run = try network.explore()
    #expect(run.report.publicEndpoint == nil)
    #expect(run.report.servers[0].outcome == .silent(for: .milliseconds(1500)))
    #expect(run.report.mapping == .unknown)
    #expect(run.report.prospect == .unknown)
    #expect(run.report.confidence == .none)
  }

  @Test func oneDeadServerDoesNotSpoilTheOther() throws {
    let network = ExplorerBench(
      nat: NATBehaviour(.addressAndPortDependent, .addressDependent),
      servers: [.scripted("192.0.2.99:3478") { _ in nil }, .real(Self.twoAddresses)])
    let report = try network.explore().report
    #expect(report.servers.map(\.outcome.isFailure) == [true, false])
    #expect(report.mapping == .addressAndPortDependent)
    #expect(report.filtering == .addressDependent)
    #expect(report.prospect == .everyPeer)
  }

  /// What may be said where answers are missing.
  private static func acceptable(for mapping: MappingBehavior) -> Set<MappingBehavior> {
    mapping.isSymmetric == true ? [mapping, .unknown, .endpointDependent] : [mapping, .unknown]
  }

  static func answer(
    _ datagram: Datagram, _ attributes: [STUNAttribute], as messageClass: STUNMessage.Class = .success
  ) -> [UInt8]? {
    guard let request = try? STUNMessage(decoding: datagram.payload) else { return nil }
    return STUNMessage(messageClass, transactionID: request.transactionID, attributes: attributes).encoded()
  }
}
