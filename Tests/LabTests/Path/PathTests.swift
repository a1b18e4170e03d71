import FoundationEssentials
import Glibc
import PlexusTesting
import Testing

extension LabTests {
  /// Paths between real hosts, measured with the programs that everybody has.
  @Suite(
    .enabled(if: EmulatedPath.isAvailable, "\(EmulatedPath.missingSentence)"),
    .enabled(
      if: ["iperf3", "ping"].allSatisfy { Lab.findProgram($0) != nil },
      "Measuring takes iperf3 and ping; run scripts/install-dependencies.")
  ) struct Path {
    @Test func pingShowsTheRoundTripTime() async throws {
      try await withPath(PathConditions(rtt: .milliseconds(40))) { path in
        let times = try await roundTrips(path, count: 20)
        // A machine that computes something else wakes the emulator late now and then, but hardly every time.
        let least = try #require(times.min())
        #expect((40..<42).contains(least), "\(times)")
        try path.change { conditions in
          conditions.leftToRight.delay = .milliseconds(5)
          conditions.rightToLeft.delay = .milliseconds(2)
        }
        let shorter = try await roundTrips(path, count: 10)
        let leastAfterwards = try #require(shorter.min())
        #expect((7..<9).contains(leastAfterwards), "\(shorter)")
      }
    }

    @Test func theBottleneckLetsThroughItsRate() async throws {
      try await withPath(PathConditions(rate: 20_000_000, rtt: .milliseconds(10))) { path in
        // 1228 of 1256 bytes are iperf3's own, which makes 19.55; what waits at the end arrives after the count. A machine that computes something
        // else lets the bottleneck run dry now and then, but hardly every time, and it never lets through more.
        var received: [Double] = []
        repeat {
          received.append(try await megabitsReceived(path, offered: "40M"))
        } while received.count < 4 && received.allSatisfy { $0 < 18.5 }
        #expect(received.contains { $0 >= 18.5 } && received.allSatisfy { $0 <= 19.7 }, "\(received) Mbit/s")
        let counters = path.counters.leftToRight
        // Rate × RTT, 25 kB, less than one packet.
        #expect((23_500...25_000).contains(counters.largestQueue))
        #expect(counters.droppedByQueue > 1000 && counters.droppedByLoss == 0 && counters.droppedByEmulator == 0)
        let droppedByInterfaces = try await path.droppedByInterfaces()
        #expect(droppedByInterfaces == 0)
      }
    }

    @Test func packetsAreLostAsOftenAsAskedFor() async throws {
      try await withPath(PathConditions(rtt: .milliseconds(1), loss: 0.05), seed: 1) { path in
        _ = try await megabitsReceived(path, offered: "40M")
        let counters = path.counters.leftToRight
        let all = Double(counters.packets + counters.droppedByLoss)
        #expect(all > 5000)
        // Six standard deviations.
        let deviation = 6 * (all * 0.05 * 0.95).squareRoot()
        #expect(abs(Double(counters.droppedByLoss) - all * 0.05) < deviation, "\(counters)")
      }
    }

    @Test func packetsAboveTheMTUAreRefusedOrFragmented() async throws {
      try await withPath(PathConditions(mtu: 1280)) { path in
        func ping(_ size: Int, _ mode: String) async throws -> Lab.ProgramResult {
          try await path.left.run("ping", "-c", "1", "-W", "5", "-M", mode, "-s", "\(size)", path.right.address)
        }
        // The headers take 28 bytes.
        let fitting = try await ping(1252, "do")
        #expect(fitting.exit == .exited(0))
        let larger = try await ping(1253, "do")
        #expect(larger.exit != .exited(0) && larger.errors.contains("mtu=1280"), "\(larger)")
        let before = path.counters.leftToRight.packets
        let fragmented = try await ping(2000, "dont")
        #expect(fragmented.exit == .exited(0) && path.counters.leftToRight.packets == before + 2)
      }
    }

    @Test func nothingArrivesThroughABlackHole() async throws {
      try await withPath(PathConditions()) { path in
        let before = try await isAnswered(path)
        #expect(before)
        try path.change { $0.rightToLeft.isBlackhole = true }
        let meanwhile = try await isAnswered(path)
        #expect(!meanwhile)
        #expect(path.counters.rightToLeft.droppedByBlackhole == 1 && path.counters.leftToRight.packets == 2)
        try path.change { $0.rightToLeft.isBlackhole = false }
        let afterwards = try await isAnswered(path)
        #expect(afterwards)
      }
    }

    @Test func anMTUDoesNotChange() async throws {
      try await withPath(PathConditions()) { path in
        #expect(throws: LabError.self) { try path.change { $0.leftToRight.mtu = 1400 } }
        #expect(throws: LabError.self) { try path.change { $0.leftToRight.loss = 2 } }
        #expect(path.conditions.leftToRight.mtu == 1500 && path.conditions.leftToRight.loss == 0)
      }
    }

    @Test func severalPathsDoNotSeeEachOther() async throws {
      try await withPath(PathConditions()) { one in
        try await withPath(PathConditions()) { other in
          let answered = try await isAnswered(other)
          #expect(answered)
          #expect(one.counters.leftToRight.packets == 0 && other.counters.leftToRight.packets == 1)
        }
      }
    }

    @Test func aDeletedDeviceCostsNoProcessorTime() async throws {
      try await withPath(PathConditions()) { path in
        let deleted = try await path.left.run("ip", "link", "del", "path0")
        #expect(deleted.exit == .exited(0), "\(deleted)")
        // Counters are published when the loop turns, which it does for this packet, and then for nothing.
        _ = try await path.right.run("ping", "-c", "3", "-i", "0.2", "-W", "0.1", path.left.address)
        #expect(path.counters.processorTime < .milliseconds(100), "\(path.counters)")
      }
    }

    @Test func nothingIsLeftWhenTheBodyThrows() async throws {
      struct Trouble: Error {}
      var namespace = ""
      await #expect(throws: Trouble.self) {
        try await withPath(PathConditions(), name: "word") { path in
          namespace = path.left.namespace
          throw Trouble()
        }
      }
      #expect(namespace.hasSuffix("-word-left") && !FileManager.default.fileExists(atPath: "/run/netns/\(namespace)"))
    }

    @Test func theCommandCountsAtItsEndAndLeavesNothing() async throws {
      // One script, because what a process in a namespace mounts, which is where names of namespaces come from, others do not see.
      let script = #"""
        coproc "$0" path --rtt 2ms --rate 10mbit,none
        exec 3<&"${COPROC[0]}"
        command=$COPROC_PID
        read -r _ _ _ _ _ left _ <&3
        until [[ $line == *Ctrl-C* ]]; do read -r line <&3 || exit 1; done
        ip netns exec "$left" ping -q -c 3 -i 0.01 198.18.0.2 || exit 2
        kill -TERM "$command"
        cat <&3
        wait "$command" || exit 3
        [ ! -e "/run/netns/$left" ] || exit 4
        """#
      let command = try #require(Lab.findProgram("plexus-lab"))
      try await withPath(PathConditions()) { path in
        let result = try await path.left.run("bash", "-c", script, command)
        #expect(result.exit == .exited(0), "\(result)")
        #expect(result.output.contains("left to right: 3 packets, 252 bytes"), "\(result)")
      }
    }

    /// Milliseconds that pings took.
    private func roundTrips(_ path: EmulatedPath, count: Int) async throws -> [Double] {
      let result = try await path.left.run("ping", "-c", "\(count)", "-i", "0.02", path.right.address)
      return result.output.split(separator: "\n").compactMap { line in
        line.split(separator: " ").first { $0.hasPrefix("time=") }.flatMap { Double($0.dropFirst("time=".count)) }
      }
    }

    private func isAnswered(_ path: EmulatedPath) async throws -> Bool {
      try await path.left.run("ping", "-c", "1", "-W", "0.5", path.right.address).exit == .exited(0)
    }

    /// What arrived of two seconds of datagrams from left to right, in Mbit/s of their contents.
    private func megabitsReceived(_ path: EmulatedPath, offered: String) async throws -> Double {
      try await path.right.withProcess("iperf3", "-s", "-1", "--forceflush") { server in
        try await server.waitForLine(containing: "Server listening")
        let result = try await path.left.run(
          "iperf3", "-c", path.right.address, "-u", "-b", offered, "-l", "1228", "-t", "2", "-f", "m")
        let words = result.output.split(separator: "\n").last { $0.hasSuffix("receiver") }?.split(separator: " ") ?? []
        let unit = try #require(words.firstIndex(of: "Mbits/sec"), "\(result)")
        return try #require(Double(words[unit - 1]))
      }
    }
  }
}
