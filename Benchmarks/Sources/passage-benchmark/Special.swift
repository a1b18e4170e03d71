import FoundationEssentials
import Glibc
import PlexusTesting

extension PassageBenchmark {
  /// One acceptor, and peers that all invite in the same second, each behind a NAT of its own.
  func runManyPeers(_ count: Int) async throws {
    let sites = [Lab.Site](repeating: .portRestricted, count: count + 1)
    let passages = try await withLab(sites: sites) { lab in
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
      var inviters: [PlexusPeer] = []
      for number in 1...count {
        let inviter = try await PlexusPeer("peer\(number)", on: lab.host(number), in: lab)
        try acceptor.befriend(inviter)
        inviters.append(inviter)
      }
      return try await acceptor.withAcceptor { _ in
        await withTaskGroup(of: Result<Double, any Error>.self) { group in
          for inviter in inviters {
            group.addTask {
              do { return .success(try await invite(acceptor, by: inviter)) } catch { return .failure(error) }
            }
          }
          return await group.reduce(into: Passages()) { passages, result in
            switch result {
            case .success(let seconds): passages.seconds.append(seconds)
            case .failure(let error): passages.failures.append("\(error)")
            }
          }
        }
      }
    }
    let slowest = passages.seconds.max().map { text($0) } ?? "-"
    say("\(count) peers at once: \(passages.seconds.count) connected, the last after \(slowest)")
    try finish(passages.failures)
  }

  /// What an acceptor costs while nothing happens.
  func runIdle() async throws {
    // A minute, because the DHT's own chores come every few seconds.
    let minute = 60
    let (ticks, kilobytes) = try await withLab(sites: [.portRestricted]) { lab in
      let acceptor = try await PlexusPeer("acceptor", on: lab.host(0), in: lab)
      return try await acceptor.withAcceptor { running in
        guard let process = running.processIdentifier else { throw BenchmarkError("the acceptor ended") }
        let before = try processorTicks(process)
        try await Task.sleep(for: .seconds(minute))
        return (try processorTicks(process) - before, try residentKilobytes(process))
      }
    }
    let share = Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK))) / Double(minute) * 100
    say("Idle acceptor: \(kilobytes / 1024) MB resident, \((share * 100).rounded() / 100) % of a core over a minute")
  }

  /// User and system time of a process, in clock ticks: fields 14 and 15 of `/proc/PID/stat`.
  private func processorTicks(_ process: Int32) throws -> Int {
    // The name, field 2, may have blanks and ends with the last parenthesis.
    let fields = try procFile(process, "stat").split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else {
      throw BenchmarkError("cannot read the processor time of process \(process)")
    }
    return user + system
  }

  private func residentKilobytes(_ process: Int32) throws -> Int {
    let line = try procFile(process, "status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    guard let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
      throw BenchmarkError("cannot read the memory of process \(process)")
    }
    return kilobytes
  }

  private func procFile(_ process: Int32, _ name: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: "/proc/\(process)/\(name)") else {
      throw BenchmarkError("the process \(process) ended")
    }
    return String(decoding: data, as: UTF8.self)
  }
}
