import Datagrams
import Foundation
import Identity
import Logging
import PlexusTesting
import Rendezvous
import Synchronization
import Testing

@testable import RendezvousDHT

@Suite("Joining the DHT", .timeLimit(.minutes(2)))
struct DHTJoinTests {
  @Test("A taken port is an error when it was asked for, and another is taken when it was only preferred")
  func takenPort() async throws {
    try await TestNetwork.run { network in
      let events = Events()
      var configuration = network.configuration
      configuration.port = .fixed(network.bootstrap.port)
      let fixed = try rendezvous(configuration, events)
      let error = await #expect(throws: RendezvousError.self) { try await fixed.join(timeout: .seconds(20)) }
      #expect(error?.code == .portTaken)
      #expect(error?.description.contains("\(network.bootstrap.port)") == true)

      configuration.port = .preferred(network.bootstrap.port)
      let preferred = try rendezvous(configuration, events)
      try await preferred.join(timeout: .seconds(20))
      await preferred.leave()
      let instead = events.all.compactMap { if case .started(_, let instead) = $0 { instead } else { nil } }
      #expect(instead == [network.bootstrap.port])
      #expect(events.all.contains(.connected))
    }
  }

  @Test("A dead bootstrap host and a bad name do not keep a live one from connecting")
  func deadBootstrap() async throws {
    try await TestNetwork.run { network in
      let events = Events()
      var configuration = network.configuration
      configuration.bootstrap.insert(HostAndPort(host: "127.0.0.1", port: 9), at: 0)
      configuration.bootstrap.insert(HostAndPort(host: "no-such-host.invalid", port: nil), at: 0)
      let rendezvous = try rendezvous(configuration, events)
      try await rendezvous.join(timeout: .seconds(20))
      await rendezvous.leave()
      #expect(events.all.contains(.connected))
    }
  }

  @Test("Nobody there, or only bad names, is one sentence with the hosts in it")
  func notJoined() async throws {
    let events = Events()
    let hosts = [HostAndPort(host: "127.0.0.1", port: 9), HostAndPort(host: "no-such-host.invalid", port: nil)]
    let configuration = DHTConfiguration(
      bootstrap: hosts, port: .fixed(0), network: 77, address4: IPAddress("127.0.0.1"), address6: nil)
    let lonely = try rendezvous(configuration, events)
    let error = await #expect(throws: RendezvousError.self) { try await lonely.join(timeout: .seconds(6)) }
    #expect(error?.code == .notJoined)
    #expect(
      error?.description.hasPrefix(
        "DHT not joined: none of 127.0.0.1:9 answered within 6 s; no-such-host.invalid was not found") == true)
    #expect(events.all.contains { if case .hostNotFound("no-such-host.invalid", _) = $0 { true } else { false } })
  }

  @Test("The nodes known from before that did not answer are counted in the sentence")
  func notJoinedByKnownNodes() async throws {
    try await withTemporaryFolder { folder in
      var configuration = DHTConfiguration(
        bootstrap: [], port: .fixed(0), network: 77, address4: IPAddress("127.0.0.1"), address6: nil,
        cacheFolder: folder)
      let log = LogRecorder()
      let nobody = await #expect(throws: RendezvousError.self) {
        try await rendezvous(configuration, Events(), log).join(timeout: .milliseconds(1))
      }
      #expect(nobody?.description.contains("no bootstrap host, and no node is known from before") == true)

      var nodes = KnownNodes()
      nodes.note(good: [9, 10].map { Endpoint(address: .v4(0x7F00_0001), port: $0) }, now: UInt64(time(nil)))
      let file = "\(folder)/dht-nodes-77"
      #expect(FileManager.default.createFile(atPath: file, contents: Data(nodes.text.utf8)))
      try #require(chmod(file, 0o600) == 0)
      for (hosts, asked) in [([], ""), ([HostAndPort(host: "127.0.0.1", port: 9)], "127.0.0.1:9 and ")] {
        configuration.bootstrap = hosts
        let error = await #expect(throws: RendezvousError.self) {
          try await rendezvous(configuration, Events(), log).join(timeout: .seconds(1))
        }
        #expect(error?.code == .notJoined)
        let sentence = "DHT not joined: none of \(asked)the 2 nodes known from before answered within 1 s; "
        #expect(error?.description.hasPrefix(sentence) == true, "\(error?.description ?? "")")
      }
    }
  }

  @Test("Who leaves while the node looks for an uplink that works gets no other node")
  func leaveMeanwhile() async throws {
    let events = Events()
    // Nobody answers at any of them.
    var configuration = DHTConfiguration(
      bootstrap: [HostAndPort(host: "127.0.0.1", port: 9)], port: .fixed(0), network: 77,
      address4: .v4(0x7F00_0004), address6: nil)
    configuration.alternatives4 = [.v4(0x7F00_0005), .v4(0x7F00_0006)]
    let lonely = try rendezvous(configuration, events)
    let joining = Task { try await lonely.join(timeout: .seconds(20)) }
    while events.all.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    await lonely.leave()
    let error = await #expect(throws: RendezvousError.self) { try await joining.value }
    #expect(error?.code == .notRunning)
    #expect(events.all.count { if case .started = $0 { true } else { false } } == 1)
    await #expect(throws: RendezvousError.self) { _ = try await lonely.runningNode() }
  }

  @Test("Before joining and after leaving everything says so")
  func notRunning() async throws {
    let rendezvous = try rendezvous(DHTConfiguration(), Events())
    let ann = try Cast.ann.get().identity
    await #expect(throws: RendezvousError.self) {
      _ = try await rendezvous.invite(ann, application: app, reference: reference(), timeout: .seconds(1))
    }
    await #expect(throws: RendezvousError.self) {
      for try await _ in rendezvous.invitations(application: app, from: .any) {}
    }
    await rendezvous.leave()
    await rendezvous.leave()
  }

  private func rendezvous(
    _ configuration: DHTConfiguration, _ events: Events, _ log: LogRecorder = LogRecorder()
  ) throws -> DHTRendezvous {
    try DHTRendezvous(
      own: Cast.bob.get(), repository: ApplicationRepository(path: Cast.folder()), configuration: configuration,
      memory: ReplayMemory(), numbers: InviteNumbers(), onEvent: events.add,
      logger: Logger(label: "test") { _ in log })
  }
}

private final class Events: Sendable {
  private let list = Mutex<[DHTEvent]>([])
  var all: [DHTEvent] { list.withLock { $0 } }
  func add(_ event: DHTEvent) { list.withLock { $0.append(event) } }
}
