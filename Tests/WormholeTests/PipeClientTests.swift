import Datagrams
import Glibc
import Logging
import Testing
import Wormhole

@Suite struct PipeClientTests {
  /// NIO would trap: nothing can be waited for at /dev/null.
  @Test func aDeviceThatIsNoTerminalIsRefused() async throws {
    let importer = try await WormholeImporter.listen(for: [], logger: Logger(label: "test"))
    let null = open("/dev/null", O_RDWR)
    defer { close(null) }
    await #expect(throws: WormholeError.self) {
      try await importer.carry(
        input: null, output: null, to: ImportedService(address: HostAndPort(host: "", port: nil)))
    }
    await importer.close()
  }

  /// In a process of its own: the limit is that of all its threads.
  @Test func descriptorsThatCannotBeDuplicatedAreRefused() async {
    await #expect(processExitsWith: .success) {
      let importer = try await WormholeImporter.listen(for: [], logger: Logger(label: "test"))
      var ends: [CInt] = [-1, -1]
      let status = pipe(&ends)
      try #require(status == 0)
      let (input, output) = (ends[0], ends[1])
      var before = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
      // There is room for neither, or for the first of the two.
      for spare in [0, 1] as [CInt] {
        let free = dup(input)
        close(free)
        var limit = before
        limit.rlim_cur = rlim_t(free + spare)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        await #expect(throws: WormholeError.self) {
          try await importer.carry(
            input: input, output: output, to: ImportedService(address: HostAndPort(host: "", port: nil)))
        }
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
        // What was opened is closed.
        let next = dup(input)
        #expect(next == free)
        close(next)
      }
      await importer.close()
    }
  }
}
