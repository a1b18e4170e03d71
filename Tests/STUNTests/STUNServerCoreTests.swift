import Datagrams
import PlexusTesting
import Testing

@testable import STUN

@Suite struct STUNServerCoreTests {
  private static let endpoints = [
    "198.51.100.1:3478", "198.51.100.2:3478", "198.51.100.1:3479", "198.51.100.2:3479",
  ].compactMap(Endpoint.init)
  private static let client = Endpoint(address: .v4(0xCB00_7105), port: 40_000)
  private static let id = STUNTransactionID(cookie: STUNTransactionID.magicCookie, high: 1, low: 2)

  private static func core(_ count: Int = 4, limits: STUNServerCore.Limits = .init()) -> STUNServerCore {
    STUNServerCore(
      endpoints: count == 2 ? [endpoints[0], endpoints[2]] : Array(endpoints.prefix(count)), limits: limits, now: .zero)
  }

  private static func ask(
    _ core: STUNServerCore, _ attributes: [STUNAttribute] = [], id: STUNTransactionID = id, socket: Int = 0
  ) throws -> (socket: Int, destination: Endpoint, message: STUNMessage) {
    var core = core
    let request = STUNMessage(.request, transactionID: id, attributes: attributes).encoded()
    let answer = core.receive(Datagram(from: client, payload: request), on: socket, now: .zero)
    let transmit = try #require(answer)
    return (
      transmit.socket, transmit.transmit.destination, try STUNMessage(decoding: transmit.transmit.payload)
    )
  }

  @Test func aRequestIsAnsweredWithTheRequestersEndpointAndTheServers() throws {
    let answer = try Self.ask(Self.core())
    #expect(answer.socket == 0)
    #expect(answer.destination == Self.client)
    #expect(
      answer.message.attributes == [
        .xorMappedAddress(Self.client), .responseOrigin(Self.endpoints[0]), .otherAddress(Self.endpoints[3]),
      ])
  }

  @Test(arguments: [(.port, 2), (.address, 1), ([.address, .port], 3), ([], 0)] as [(STUNChangeRequest, Int)])
  func theAnswerComesFromWhereItWasAskedToCome(_ change: STUNChangeRequest, _ socket: Int) throws {
    let answer = try Self.ask(Self.core(), [.changeRequest(change)])
    #expect(answer.socket == socket)
    #expect(answer.message.messageClass == .success)
    #expect(answer.message.attributes.contains(.responseOrigin(Self.endpoints[socket])))
  }

  @Test func whatCannotBeChangedIsRefused() throws {
    let plain = try Self.ask(Self.core(1), [.changeRequest(.port)])
    #expect(plain.message.errorCode?.code == 420)
    #expect(plain.message.attributes.contains(.unknownAttributes([0x0003])))
    #expect(try Self.ask(Self.core(1)).message.otherEndpoint == nil)
    #expect(try Self.ask(Self.core(2), [.changeRequest(.port)]).socket == 1)
    #expect(try Self.ask(Self.core(2), [.changeRequest([.address, .port])]).message.errorCode?.code == 420)
  }

  @Test func unknownRequiredAttributesAreRefusedByName() throws {
    let unknown = (0..<40).map { STUNAttribute.other(type: 0x7000 + $0, value: []) }
    let answer = try Self.ask(Self.core(), unknown + [.other(type: 0x9000, value: [])])
    #expect(answer.message.errorCode?.code == 420)
    #expect(answer.message.attributes.contains(.unknownAttributes((0x7000..<0x7008).map { $0 })))
  }

  @Test func clientsOfRFC3489GetTheAttributesOfTheirTime() throws {
    let answer = try Self.ask(Self.core(), id: STUNTransactionID(cookie: 5, high: 1, low: 2))
    #expect(answer.message.transactionID.cookie == 5)
    #expect(
      answer.message.attributes == [
        .mappedAddress(Self.client), .sourceAddress(Self.endpoints[0]), .changedAddress(Self.endpoints[3]),
      ])
  }

  @Test func onlyWellFormedBindingRequestsAreAnswered() {
    var core = Self.core()
    var allocate = STUNMessage(.request, transactionID: Self.id)
    allocate.method = 3
    var truncated = STUNMessage(.request, transactionID: Self.id, attributes: [.software("x")]).encoded()
    truncated.removeLast()
    for payload in [
      [], [0], Array("GET / HTTP/1.1\r\n\r\n".utf8), allocate.encoded(), truncated,
      STUNMessage(.indication, transactionID: Self.id).encoded(),
      STUNMessage(.success, transactionID: Self.id).encoded(), STUNMessage(.error, transactionID: Self.id).encoded(),
    ] {
      #expect(core.receive(Datagram(from: Self.client, payload: payload), on: 0, now: .zero) == nil)
    }
  }

  @Test func answersAreNeverMuchLongerThanRequests() throws {
    for attributes: [STUNAttribute] in [
      [], [.padding(count: 1400)], [.changeRequest([.address, .port])], [.other(type: 0x7000, value: [])],
    ] {
      var core = Self.core()
      let request = STUNMessage(.request, transactionID: Self.id, attributes: attributes).encoded()
      let answer = core.receive(Datagram(from: Self.client, payload: request), on: 0, now: .zero)
      #expect(try #require(answer).transmit.payload.count <= request.count + 36)
    }
  }

  @Test func responsePortsReachNoServiceAndCarryNoPadding() throws {
    #expect(try Self.ask(Self.core(), [.responsePort(40_001)]).destination.port == 40_001)
    for attributes: [STUNAttribute] in [
      [.responsePort(53)], [.responsePort(0)], [.responsePort(2000), .padding(count: 9)],
    ] {
      let answer = try Self.ask(Self.core(), attributes)
      #expect(answer.message.errorCode?.code == 400)
      #expect(answer.destination == Self.client)
    }
  }

  @Test func everyDatagramIsCountedOnce() {
    var core = Self.core(1, limits: .init(perSource: RateLimit(burst: 3, perSecond: 1)))
    let plain = STUNMessage(.request, transactionID: Self.id).encoded()
    let impossible = STUNMessage(.request, transactionID: Self.id, attributes: [.changeRequest(.port)]).encoded()
    for payload in [plain, impossible, [1, 2, 3], plain] {
      _ = core.receive(Datagram(from: Self.client, payload: payload), on: 0, now: .zero)
    }
    let counts = core.counts
    #expect([counts.answered, counts.refused, counts.ignored, counts.limited] == [1, 1, 1, 1])
  }

  @Test func impossibleSourcesAreNotAnswered() {
    var core = Self.core()
    let request = STUNMessage(.request, transactionID: Self.id).encoded()
    for source in ["203.0.113.5:0", "255.255.255.255:5", "224.0.0.1:5", "0.0.0.0:5", "198.51.100.2:3479"] {
      let datagram = Endpoint(source).map { Datagram(from: $0, payload: request) }
      #expect(datagram.flatMap { core.receive($0, on: 0, now: .zero) } == nil)
    }
  }

  @Test func aSourceThatAsksTooMuchIsLeftOutUntilItRests() {
    var core = Self.core(limits: .init(perSource: RateLimit(burst: 5, perSecond: 2)))
    let request = STUNMessage(.request, transactionID: Self.id).encoded()
    func answers(from source: Endpoint, at now: Instant) -> Int {
      (0..<20).count { _ in core.receive(Datagram(from: source, payload: request), on: 0, now: now) != nil }
    }
    let neighbour = Endpoint(address: .v4(0xCB00_7106), port: 40_000)
    #expect(answers(from: Self.client, at: .zero) == 5)
    #expect(answers(from: neighbour, at: .zero) == 5)
    #expect(answers(from: Self.client, at: .zero.advanced(by: .seconds(1))) == 2)
    #expect(answers(from: Self.client, at: .zero.advanced(by: .seconds(100))) == 5)
  }

  @Test func theRateLimiterRemembersABoundedNumberOfSources() {
    let limit = RateLimit(burst: 1, perSecond: 1)
    var limiter = RateLimiter(
      perSource: limit, total: RateLimit(burst: 1_000_000, perSecond: 1), capacity: 100, now: .zero)
    for bits in 0..<10_000 { _ = limiter.allows(.v4(UInt32(bits)), now: .zero) }
    #expect(limiter.count <= 200)
    // One IPv6 site is one source.
    let site = [1, 2].map { limiter.allows(.v6(high: 7, low: $0), now: .zero) }
    #expect(site == [true, false])
  }

  @Test func allSourcesTogetherAreBounded() {
    var limiter = RateLimiter(
      perSource: RateLimit(burst: 9, perSecond: 9), total: RateLimit(burst: 50, perSecond: 1), capacity: 100, now: .zero
    )
    let allowed = (0..<1000).count { limiter.allows(.v4(UInt32($0)), now: .zero) }
    #expect(allowed == 50)
  }

  @Test func randomDatagramsAreSurvived() {
    var random = TestSeeds.printed()
    var core = Self.core(limits: .init(perSource: RateLimit(burst: 1_000_000, perSecond: 1)))
    for _ in 0..<5000 {
      var bytes = STUNMessage(
        .request, transactionID: Self.id, attributes: [.changeRequest(.port), .responsePort(3000), .padding(count: 4)]
      ).encoded()
      for _ in 0..<3 {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if let answer = core.receive(Datagram(from: Self.client, payload: bytes), on: 0, now: .zero) {
        #expect(answer.transmit.destination.address == Self.client.address)
      }
    }
  }
}
