import DatagramSockets
import Datagrams
import Testing
import Wormhole

/// UDP services through the tunnel.
@Suite(.timeLimit(.minutes(2))) struct DatagramServiceTests {
  @Test func eachClientGetsItsAnswersWhole() async throws {
    let any = Endpoint(address: .v4(0x7F00_0001), port: 0)
    let service = try await UDPSocket.bind(to: any)
    let echo = Task {
      while let datagram = try await service.receive(until: .distantFuture) {
        try await service.send(Transmit(to: datagram.source, payload: datagram.payload + [0xEE]))
      }
    }
    try await Wormholes.run(
      exporting: [
        ExportedService(name: "echo", address: .loopback(Int(service.localEndpoint.port)), isDatagram: true)
      ],
      importing: [ImportedService(address: .loopback(0), name: "echo", isDatagram: true)]
    ) { wormholes in
      let target = Endpoint(address: any.address, port: UInt16(clamping: wormholes.port()))
      // The far end's hello has to come first: datagrams do not wait.
      #expect(try await eventually { wormholes.exporter.status.tunnels == 1 && wormholes.importer.status.tunnels == 1 })
      for size in [0, 1, 1200, 9000] {
        let client = try await UDPSocket.bind(to: any)
        let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
        let answered = try await eventually {
          try await client.send(Transmit(to: target, payload: payload))
          return try await client.receive(until: MonotonicClock.now.advanced(by: .milliseconds(200)))?.payload
            == payload + [0xEE]
        }
        #expect(answered, "\(size) bytes")
        await client.close()
      }
      #expect(wormholes.exporter.status.streams == 4)
    }
    echo.cancel()
    _ = try? await echo.value
    await service.close()
  }
}
