import PlexusTesting
import Testing

@Suite struct LabSmoke {
  @Test func comesUp() async throws {
    try await withLab(sites: [.portRestricted, .symmetric]) { lab in
      print(try await lab.host(0).run("ip", "addr"))
    }
  }
}
