import FoundationEssentials
import LibC
import Subprocess

/// Makes two hosts with a path between them, runs `body`, and takes them away, also when `body` throws or its task is cancelled, and
/// even when this process is killed.
///
/// ```swift
/// try await withPath(PathConditions(rate: 100_000_000, rtt: .milliseconds(40), loss: 0.01)) { path in
///   try await path.right.withProcess("iperf3", "-s") { server in
///     try await server.waitForLine(containing: "Server listening")
///     let result = try await path.left.run("iperf3", "-c", path.right.address)
///   }
/// }
/// ```
///
/// - Parameters:
///   - conditions: What the path does to packets.
///   - name: Lower-case letters and digits that the namespaces' names shall contain.
///   - seed: Of the losses; the same packets in the same order lose the same ones.
///   - body: What to do meanwhile.
/// - Throws: ``LabError`` when the path cannot be made, and whatever `body` throws.
public func withPath<Value: Sendable>(
  _ conditions: PathConditions, name: String? = nil, seed: UInt64 = .random(in: 0...UInt64.max),
  isolation: isolated (any Actor)? = #isolation, _ body: (EmulatedPath) async throws -> Value
) async throws -> Value {
  try conditions.validate()
  let temporaryDirectory = FileManager.default.temporaryDirectory.labPath
  let topology = try PathTopology(name: name, owner: getpid(), temporaryDirectory: temporaryDirectory)
  guard EmulatedPath.isAvailable else { throw LabError(.unavailable, EmulatedPath.missingSentence) }
  return try await withLabScript(topology.script(temporaryDirectory: temporaryDirectory), awaiting: ["built"]) {
    let emulator = try PathEmulator(
      device: PathTopology.device, left: topology.left, right: topology.right, conditions: conditions.resolved,
      seed: seed)
    defer { emulator.stop() }
    let configured = try await run(
      .path("/bin/sh"), arguments: ["-ec", topology.configuration(conditions)],
      output: .string(limit: 4096), error: .combinedWithOutput)
    guard configured.terminationStatus.isSuccess else {
      throw LabError(.setupFailed, "the path could not be made: \(configured.standardOutput)")
    }
    return try await body(
      EmulatedPath(
        left: Lab.Host(
          namespace: topology.left, directory: topology.leftDirectory, site: nil, address: PathTopology.leftAddress,
          addressV6: nil),
        right: Lab.Host(
          namespace: topology.right, directory: topology.rightDirectory, site: nil,
          address: PathTopology.rightAddress, addressV6: nil),
        emulator: emulator, current: .init(conditions)))
  }
}
