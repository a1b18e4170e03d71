import Datagrams
import Synchronization
import Testing

@testable import Plexus
@testable import STUN

@Suite("The directory of STUN servers")
struct STUNDirectoryTests {
  private let names = ["a.example", "b.example"].map { HostAndPort(host: $0, port: nil) }

  @Test("When the name server is gone, servers stay where they were, and each passage asks again")
  func nameServerGone() async throws {
    let bench = Bench()
    let directory = STUNDirectory(names: names, clock: bench.clock, lookUp: bench.lookUp)
    bench.answers.withLock { $0 = ["a.example": 1, "b.example": 2] }
    #expect(await directory.servers().servers.map(\.endpoint.address) == [.v4(1), .v4(2)])
    // Fresh enough: nobody is asked.
    #expect(await directory.servers().failures.isEmpty)
    #expect(bench.asked.withLock { $0 } == 1)

    bench.answers.withLock { $0 = [:] }
    bench.now.withLock { $0 = $0.advanced(by: .seconds(601)) }
    for times in 2...3 {
      let (servers, failures) = await directory.servers()
      #expect(servers.map(\.endpoint.address) == [.v4(1), .v4(2)])
      #expect(failures.count == 2)
      #expect(bench.asked.withLock { $0 } == times)
    }

    // One of them has moved meanwhile, the other cannot be found.
    bench.answers.withLock { $0 = ["b.example": 3] }
    let (servers, failures) = await directory.servers()
    #expect(Set(servers.map(\.endpoint.address)) == [.v4(1), .v4(3)])
    #expect(failures.count == 1)
    bench.answers.withLock { $0 = [:] }
    #expect(await Set(directory.servers().servers.map(\.endpoint.address)) == [.v4(1), .v4(3)])

    bench.answers.withLock { $0 = ["a.example": 4, "b.example": 5] }
    #expect(await directory.servers().servers.map(\.endpoint.address) == [.v4(4), .v4(5)])
    let asked = bench.asked.withLock { $0 }
    #expect(await directory.servers().servers.map(\.endpoint.address) == [.v4(4), .v4(5)])
    #expect(bench.asked.withLock { $0 } == asked)
  }

  @Test("Where no server was ever found there is none")
  func neverFound() async {
    let bench = Bench()
    let directory = STUNDirectory(names: names, clock: bench.clock, lookUp: bench.lookUp)
    let (servers, failures) = await directory.servers()
    #expect(servers.isEmpty && failures.count == 2)
  }

  @Test("What a cancelled look-up found is not kept")
  func cancelled() async {
    let bench = Bench()
    let directory = STUNDirectory(names: names, clock: bench.clock) { names, timeout in
      if bench.asked.withLock({ $0 == 0 }) { try? await Task.sleep(for: .seconds(3600)) }
      return await bench.lookUp(names, timeout)
    }
    bench.answers.withLock { $0 = ["a.example": 1] }
    let asking = Task { await directory.servers().failures.count }
    asking.cancel()
    #expect(await asking.value == 0)

    bench.answers.withLock { $0 = ["a.example": 1, "b.example": 2] }
    #expect(await directory.servers().servers.map(\.endpoint.address) == [.v4(1), .v4(2)])
    #expect(bench.asked.withLock { $0 } == 2)
  }
}

/// A clock and a name server that tests move by hand: the address tells which answer was given.
private final class Bench: Sendable {
  let now = Mutex(Instant(nanoseconds: 0))
  let answers = Mutex<[String: UInt32]>([:])
  let asked = Mutex(0)

  var clock: PlexusClock {
    PlexusClock(now: { self.now.withLock { $0 } }, sleep: { try await Task.sleep(for: $0) })
  }

  func lookUp(_ names: [HostAndPort], _ timeout: Duration) async -> (servers: [STUNServer], failures: [STUNError]) {
    asked.withLock { $0 += 1 }
    var servers: [STUNServer] = []
    var failures: [STUNError] = []
    for name in names {
      if let answer = answers.withLock({ $0[name.host] }) {
        servers.append(STUNServer(name: name, endpoint: Endpoint(address: .v4(answer), port: STUNServer.defaultPort)))
      } else {
        failures.append(STUNError(code: .unresolvable, description: "gone", detail: "gone"))
      }
    }
    return (servers, failures)
  }
}
