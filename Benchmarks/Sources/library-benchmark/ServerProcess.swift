import ArgumentParser
import Foundation
import Logging
import Plexus

/// A STUN server and DHT nodes in a process of their own: what they keep for the whole network is not what a program that
/// invites and accepts has to keep.
final class ServerProcess {
  let stunPort: UInt16
  let dhtPort: UInt16
  let dhtNetwork: UInt32
  private let process = Process()
  /// It ends when this is closed, so also when we crash.
  private let lifeline = Pipe()

  init() throws {
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["servers"]
    process.standardInput = lifeline
    process.standardOutput = output
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      guard let more = try output.fileHandleForReading.read(upToCount: 1), !more.isEmpty else { break }
      line += more
    }
    let numbers = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
    guard numbers.count == 3 else { throw ValidationError("the servers did not start; see above") }
    (stunPort, dhtPort, dhtNetwork) = (UInt16(numbers[0]), UInt16(numbers[1]), numbers[2])
  }

  func stop() {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}

/// What ``ServerProcess`` runs: prints the ports of STUN and DHT and the DHT's network, and ends with its input.
struct Servers: AsyncParsableCommand {
  static let configuration = CommandConfiguration(shouldDisplay: false)

  func run() async throws {
    var serving = PlexusServer.Configuration()
    serving.addresses = [.v4(0x7F00_0001)]
    serving.stunPort = 0
    serving.dhtPort = 0
    serving.dhtNetwork = .random(in: 1...UInt32.max)
    let server = try await PlexusServer.start(
      serving, logger: Logger(label: "servers") { _ in SwiftLogNoOpLogHandler() })
    guard let stun = server.stunEndpoints.first, let dht = server.dhtEndpoints.first else { return }
    print(stun.port, dht.port, serving.dhtNetwork)
    fflush(nil)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      group.addTask { await endOfInput() }
      try await group.next()
      group.cancelAll()
    }
    await server.close()
  }

  private func endOfInput() async {
    let (ends, feed) = AsyncStream.makeStream(of: Never.self)
    FileHandle.standardInput.readabilityHandler = { if $0.availableData.isEmpty { feed.finish() } }
    for await _ in ends {}
    FileHandle.standardInput.readabilityHandler = nil
  }
}
