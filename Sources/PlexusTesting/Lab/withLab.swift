import FoundationEssentials
import LibC
import Subprocess

/// Builds a ``Lab``, runs `body` in it, and takes it away, also when `body` throws or its task is cancelled, and even when
/// this process is killed.
///
/// - Parameters:
///   - sites: The routers and their hosts.
///   - servers: Whether the public side's servers run; without them their addresses are free for servers of the test's own.
///   - ipv6: Whether every node also has a routed IPv6 address, with neither NAT nor firewall.
///   - body: What to do in the lab.
/// - Throws: ``LabError`` when the lab cannot be built, and whatever `body` throws.
public func withLab<Value: Sendable>(
  sites: [Lab.Site], servers: Bool = true, ipv6: Bool = false, isolation: isolated (any Actor)? = #isolation,
  _ body: (Lab) async throws -> Value
) async throws -> Value {
  let topology = try LabTopology(
    sites: sites, servers: servers, ipv6: ipv6, owner: getpid(),
    temporaryDirectory: FileManager.default.temporaryDirectory.labPath)
  guard Lab.isAvailable else { throw LabError(.unavailable, Lab.missingSentence) }
  return try await withLabScript(LabScript(topology: topology).text, awaiting: ["built", "ready"]) {
    try await body(Lab(topology: topology))
  }
}

/// Runs a script of `sh` that builds something, then `body`, and lets go of the script, which takes everything away.
///
/// - Parameters:
///   - script: Ends when its standard input does, and not before.
///   - awaited: The lines that it says when everything stands.
func withLabScript<Value: Sendable>(
  _ script: String, awaiting awaited: Set<String>, isolation: isolated (any Actor)? = #isolation,
  _ body: () async throws -> Value
) async throws -> Value {
  var options = PlatformOptions()
  // Signals of the terminal are for the owner; the script goes when the owner lets go of its standard input.
  options.createSession = true
  // Ten seconds for what takes a tenth of one: the script must not die before it has cleaned up.
  options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(10))]
  let execution = try await run(
    .path("/bin/sh"), arguments: ["-c", script], platformOptions: options,
    input: .inputWriter, output: .sequence, error: .combinedWithOutput
  ) { script -> Result<Value, any Error> in
    do {
      try await waitUntilReady(script.standardOutput, awaiting: awaited)
      return .success(try await body())
    } catch {
      return .failure(error)
    }
  }
  return try execution.takeClosureResult().get()
}

/// Reads what the script says until all its parts are done; anything else it says is trouble.
private func waitUntilReady(_ output: SubprocessOutputSequence, awaiting: Set<String>) async throws {
  var awaited = awaiting
  var complaints: [String] = []
  for try await line in output.strings() {
    // The servers' half of the script ends by itself; the other half would wait for ever.
    if line == "failed" { break }
    if awaited.remove(line) == nil { complaints.append(line) }
    if awaited.isEmpty { return }
  }
  try Task.checkCancellation()
  throw LabError(
    .setupFailed,
    "the lab could not be built: \(complaints.isEmpty ? "its script ended" : complaints.joined(separator: "; "))")
}

extension URL {
  var labPath: String { path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }
}
