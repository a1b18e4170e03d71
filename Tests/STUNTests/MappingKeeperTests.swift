import Datagrams
import PlexusTesting
import Testing

@testable import STUN

@Suite struct MappingKeeperTests {
  private static let server = Endpoint(address: .v4(0xC633_6401), port: 3478)
  private static let known = Endpoint(address: .v4(0xCB00_7101), port: 5000)

  /// Runs for some seconds; the answers tell the mapped endpoint for each request in turn, nil stays silent.
  private static func run(seconds: Int64, _ mapped: (Int) -> Endpoint?) -> (sent: [Int64], changes: [Endpoint]) {
    var random = SeededGenerator(seed: 1)
    var keeper = MappingKeeper(server: server, interval: .seconds(15), publicEndpoint: known, now: .zero)
    var (sent, changes): ([Int64], [Endpoint]) = ([], [])
    while case let now = keeper.pollTimeout(), now <= Instant.zero.advanced(by: .seconds(seconds)) {
      keeper.handleTimeout(now: now, using: &random)
      guard let transmit = keeper.pollTransmit() else { continue }
      sent.append(now.nanoseconds / 1_000_000)
      guard let request = try? STUNMessage(decoding: transmit.payload), let mapped = mapped(sent.count - 1) else {
        continue
      }
      let answer = STUNMessage(
        .success, transactionID: request.transactionID, attributes: [.xorMappedAddress(mapped)]
      ).encoded()
      #expect(keeper.receive(Datagram(from: known, payload: answer)) == nil)
      if let changed = keeper.receive(Datagram(from: server, payload: answer)) { changes.append(changed) }
      #expect(keeper.receive(Datagram(from: server, payload: answer)) == nil)
    }
    return (sent, changes)
  }

  @Test func oneRequestAnIntervalKeepsTheMapping() {
    let run = Self.run(seconds: 60) { _ in Self.known }
    #expect(run.sent == [15_000, 30_000, 45_000, 60_000])
    #expect(run.changes.isEmpty)
  }

  @Test func aNewPublicEndpointIsToldOnce() {
    let other = Endpoint(address: .v4(0xCB00_7101), port: 6000)
    #expect(Self.run(seconds: 90) { $0 < 2 ? Self.known : other }.changes == [other])
  }

  @Test func anUnansweredRequestIsRepeatedUntilTheNextIsDue() {
    #expect(Self.run(seconds: 30) { _ in nil }.sent == [15_000, 15_500, 16_500, 18_500, 22_500, 30_000])
  }
}
