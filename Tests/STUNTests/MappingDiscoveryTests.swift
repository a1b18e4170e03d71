import Datagrams
import PlexusTesting
import Testing

@testable import STUN

/// The exploration of one passage: the public endpoint and the mapping of one socket, in virtual time.
@Suite struct MappingDiscoveryTests {
  private static let configuration = NetworkExplorer.Configuration(scope: .mapping, budget: .seconds(3))
  private static let first = "198.51.100.1:3478"
  private static let second = "192.0.2.9:3478"

  private static func discover(
    _ nat: NATBehaviour?, _ servers: [ExplorerBench.Server],
    loses: @escaping (Endpoint, Endpoint, Int) -> Bool = { _, _, _ in false }
  ) throws -> ExplorerBench.Run {
    var network = ExplorerBench(nat: nat, servers: servers)
    network.loses = loses
    return try network.explore(configuration: configuration)
  }

  private static func nat(_ mapping: MappingBehavior) -> NATBehaviour {
    NATBehaviour(mapping, .addressAndPortDependent)
  }

  @Test(arguments: NetworkExplorerTests.kinds)
  func aServerWithTwoAddressesNeedsTwoRoundTrips(_ mapping: MappingBehavior) throws {
    let run = try Self.discover(Self.nat(mapping), [.real(NetworkExplorerTests.twoAddresses)])
    #expect(run.report.mapping == mapping)
    #expect(run.report.duration == .milliseconds(40))
    #expect(run.sent.allSatisfy { $0.transmit.socket == 0 })
    #expect(run.sent.map(\.time) == [0, 20, 20])
  }

  @Test func twoPlainServersTellTheMappingInOneRoundTrip() throws {
    let servers = [ExplorerBench.Server.real([Self.first]), .real([Self.second])]
    let equal = try Self.discover(Self.nat(.endpointIndependent), servers)
    #expect(equal.report.mapping == .endpointIndependent)
    #expect(equal.report.duration == .milliseconds(20))
    for mapping in [MappingBehavior.addressDependent, .addressAndPortDependent] {
      let differing = try Self.discover(Self.nat(mapping), servers)
      #expect(differing.report.mapping == .endpointDependent)
      #expect(differing.report.duration == .milliseconds(20))
    }
  }

  @Test func twoServersOnOneAddressTellOnlyWhetherThePortMatters() throws {
    let servers = [ExplorerBench.Server.real([Self.first]), .real(["198.51.100.1:5000"])]
    #expect(try Self.discover(Self.nat(.endpointIndependent), servers).report.mapping == .unknown)
    #expect(try Self.discover(Self.nat(.addressDependent), servers).report.mapping == .unknown)
    #expect(try Self.discover(Self.nat(.addressAndPortDependent), servers).report.mapping == .addressAndPortDependent)
  }

  @Test func withoutNATOneAnswerIsEnough() throws {
    let run = try Self.discover(nil, [.real([Self.first]), .scripted(Self.second) { _ in nil }])
    #expect(run.report.mapping == .endpointIndependent)
    #expect(run.report.isTranslated == false)
    #expect(run.report.duration == .milliseconds(20))
    #expect(run.report.servers.map(\.outcome) == [.answered(roundTrip: .milliseconds(20)), .notAwaited])
  }

  @Test func onePlainServerIsNotWaitedForLongerThanItsAnswer() throws {
    let run = try Self.discover(Self.nat(.endpointIndependent), [.real([Self.first])])
    #expect(run.report.publicEndpoint?.description == "203.0.113.1:50000")
    #expect(run.report.mapping == .unknown)
    #expect(run.report.duration == .milliseconds(20))
  }

  @Test func aSilentServerDelaysByTheGraceOnly() throws {
    let run = try Self.discover(
      Self.nat(.endpointIndependent), [.scripted(Self.second) { _ in nil }, .real([Self.first])])
    #expect(run.report.duration == .milliseconds(120))
    #expect(run.report.servers.map(\.outcome) == [.notAwaited, .answered(roundTrip: .milliseconds(20))])
  }

  @Test func alternateEndpointsThatStaySilentDelayByTheGraceOnly() throws {
    let run = try Self.discover(
      Self.nat(.addressDependent), [.real(NetworkExplorerTests.twoAddresses)],
      loses: { _, destination, _ in destination.address == IPAddress("198.51.100.2") })
    #expect(run.report.mapping == .unknown)
    #expect(run.report.duration == .milliseconds(120))
  }

  @Test func oneLostMappingProbeIsRepeatedWithinTheGrace() throws {
    let run = try Self.discover(
      Self.nat(.endpointIndependent), [.real(NetworkExplorerTests.twoAddresses)],
      loses: { _, destination, number in destination.address == IPAddress("198.51.100.2") && number == 0 })
    #expect(run.report.mapping == .endpointIndependent)
    #expect(run.report.duration == .milliseconds(100))
  }

  @Test func requestsAreRepeatedAsTheRFCSays() throws {
    let silent = ExplorerBench.Server.scripted(Self.first) { _ in nil }
    let network = ExplorerBench(servers: [silent])
    let run = try network.explore(configuration: .init(scope: .mapping, budget: .seconds(60)))
    #expect(run.sent.map(\.time) == [0, 500, 1500, 3500, 7500, 15500, 31500])
    #expect(Set(run.sent.map(\.transmit)).count == 1)
    #expect(run.report.duration == .milliseconds(39500))
    #expect(run.report.servers[0].outcome == .silent(for: .milliseconds(39500)))
  }

  @Test func theBudgetBoundsTheWait() throws {
    let run = try Self.discover(nil, [.scripted(Self.first) { _ in nil }])
    #expect(run.sent.map(\.time) == [0, 500, 1500])
    #expect(run.report.duration == .seconds(3))
    #expect(run.events.map(\.time).first == 3000)
  }

  @Test func whoeverWaitsBrieflyAsksSixTimes() throws {
    let network = ExplorerBench(servers: [.scripted(Self.first) { _ in nil }])
    let run = try network.explore(
      configuration: .init(scope: .mapping, budget: .seconds(3), retransmission: .brief))
    #expect(run.sent.map(\.time) == [0, 500, 1000, 1500, 2000, 2500])
    #expect(run.report.duration == .seconds(3))
  }

  @Test(arguments: [0, 1])
  func lostRequestsAndLostAnswersAreMadeUpFor(_ direction: Int) throws {
    let server = try #require(Endpoint(Self.first))
    let run = try Self.discover(Self.nat(.endpointIndependent), [.real([Self.first])]) { source, destination, number in
      (direction == 0 ? destination : source) == server && number < 2
    }
    #expect(run.report.servers[0].outcome == .answered(roundTrip: .milliseconds(1520)))
  }

  @Test func errorResponsesNameTheServerAndItsCode() throws {
    let refusing = ExplorerBench.Server.scripted(Self.first) {
      NetworkExplorerTests.answer($0, [.errorCode(STUNErrorCode(code: 500, reason: "no\u{1B}[2J"))], as: .error)
    }
    let run = try Self.discover(nil, [refusing])
    #expect(run.report.duration == .milliseconds(20))
    #expect(run.report.servers[0].outcome.description == "refused with error 500 (no?[2J)")
  }

  static let nonsense: [@Sendable (Datagram) -> [UInt8]?] = [
    { _ in Array("HTTP/1.1 400 Bad Request".utf8) },
    { NetworkExplorerTests.answer($0, []) },
    { NetworkExplorerTests.answer($0, [], as: .error) },
    { NetworkExplorerTests.answer($0, [.xorMappedAddress(Endpoint(address: .v4(0), port: 5))]) },
    { NetworkExplorerTests.answer($0, [.xorMappedAddress(Endpoint(address: .v6(high: 1, low: 1), port: 5))]) },
    { NetworkExplorerTests.answer($0, [.xorMappedAddress($0.source), .other(type: 0x7777, value: [])]) },
    { NetworkExplorerTests.answer($0, [.other(type: 0x0020, value: [1])]) },
    { datagram in
      var random = SeededGenerator(seed: 99)
      let forged = STUNTransactionID(using: &random)
      return STUNMessage(.success, transactionID: forged, attributes: [.xorMappedAddress(datagram.source)]).encoded()
    },
  ]

  @Test(arguments: nonsense.indices)
  func nonsenseIsNamedAndTheOtherServerUsed(_ index: Int) throws {
    let nonsense = ExplorerBench.Server.scripted(Self.first, Self.nonsense[index])
    let alone = try Self.discover(Self.nat(.endpointIndependent), [nonsense])
    #expect(alone.report.publicEndpoint == nil)
    guard case .nonsense = alone.report.servers[0].outcome else {
      Issue.record("\(alone.report.servers[0].outcome)")
      return
    }
    #expect(
      alone.events.contains {
        $0.event == .serverFailed(alone.report.servers[0].server, alone.report.servers[0].outcome)
      })
    let both = try Self.discover(Self.nat(.endpointIndependent), [nonsense, .real([Self.second])])
    #expect(both.report.publicEndpoint?.description == "203.0.113.1:50000")
    #expect(both.report.servers[0].outcome.isFailure)
  }

  @Test func answersFromElsewhereDoNotCount() throws {
    let elsewhere = try #require(Endpoint("198.51.100.1:9999"))
    let wrong = ExplorerBench.Server(endpoints: [try #require(Endpoint(Self.first)), elsewhere]) { datagram, _, _ in
      NetworkExplorerTests.answer(datagram, [.xorMappedAddress(datagram.source)]).map {
        [(Transmit(to: datagram.source, payload: $0), elsewhere)]
      } ?? []
    }
    let run = try Self.discover(NATBehaviour(.endpointIndependent, .endpointIndependent), [wrong])
    #expect(run.report.publicEndpoint == nil)
    #expect(run.report.servers[0].outcome == .nonsense("the answer came from 198.51.100.1:9999"))
  }

  @Test func aServerOfRFC3489IsAsGoodAsANewOne() throws {
    let mapped = ExplorerBench.Server.scripted(Self.first) {
      NetworkExplorerTests.answer($0, [.mappedAddress($0.source)])
    }
    #expect(try Self.discover(Self.nat(.endpointIndependent), [mapped]).report.publicEndpoint?.port == 50_000)
  }

  @Test func noStrangerMakesUsTalkToOurselvesOrToMany() throws {
    for other in ["127.0.0.1:22", "255.255.255.255:9", "224.0.0.1:9", "0.0.0.0:9", "198.51.100.1:3478"] {
      let endpoint = try #require(Endpoint(other))
      let server = ExplorerBench.Server.scripted(Self.first) {
        NetworkExplorerTests.answer($0, [.xorMappedAddress($0.source), .otherAddress(endpoint)])
      }
      #expect(try Self.discover(Self.nat(.endpointIndependent), [server]).sent.count == 1)
    }
  }

  @Test func aFailureToSendIsToldAtOnce() throws {
    let server = STUNServer(endpoint: try #require(Endpoint(Self.first)))
    var random = SeededGenerator(seed: 3)
    var explorer = NetworkExplorer(
      servers: [server], localAddresses: [nil], sockets: [.any(.v4)], configuration: Self.configuration, now: .zero,
      using: &random)
    let polled = explorer.pollTransmit()
    let transmit = try #require(polled)
    explorer.sendFailed(transmit, reason: "Network is unreachable", now: .zero)
    let event = explorer.pollEvent()
    #expect(event == .serverFailed(server, .unreachable("Network is unreachable")))
    #expect(explorer.pollTimeout() == nil)
  }

  @Test func randomDatagramsFromTheServerChangeNothing() throws {
    var random = TestSeeds.printed()
    let real = ExplorerBench.Server.real(NetworkExplorerTests.twoAddresses)
    var noisy = real
    noisy.respond = { datagram, socket, now in
      let proper = real.respond(datagram, socket, now)
      let noise = proper.map { answer in
        var answer = answer
        if let index = answer.0.payload.indices.randomElement(using: &random) {
          answer.0.payload[index] ^= UInt8.random(in: 1...255, using: &random)
        }
        // Behind the id everything may be forged by whoever saw it; only the id protects.
        answer.0.payload[4] ^= 0xFF
        return answer
      }
      return noise + proper
    }
    #expect(try Self.discover(Self.nat(.addressDependent), [noisy]).report.mapping == .addressDependent)
  }
}
