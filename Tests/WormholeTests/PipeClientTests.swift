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
}
