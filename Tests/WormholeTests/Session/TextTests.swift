import NIOCore
import Testing
import Tubus

@testable import Wormhole

@Suite struct ServiceTextTests {
  @Test(arguments: ["127.0.0.1:22", "web=localhost:8080", "dns=192.0.2.1:53/udp", "a-b_c.d=[::1]:1"])
  func exportedServicesReadAsTheyAreWritten(text: String) { #expect(ExportedService(text)?.description == text) }

  @Test(arguments: ["", "127.0.0.1", "x=", "=1.2.3.4:5", "a b=1.2.3.4:5", "1.2.3.4:0", "1.2.3.4:70000", "ü=1.2.3.4:5"])
  func whatIsNoExportedServiceIsNone(text: String) { #expect(ExportedService(text) == nil) }

  @Test(arguments: ["127.0.0.1:2222", "0.0.0.0:80=web", "[::1]:53=dns/udp"])
  func importedServicesReadAsTheyAreWritten(text: String) { #expect(ImportedService(text)?.description == text) }

  @Test func aPortAloneListensOnThisMachineOnly() {
    #expect(ImportedService("2222")?.description == "127.0.0.1:2222")
    #expect(ImportedService("8080=web")?.description == "127.0.0.1:8080=web")
  }

  @Test(arguments: ["", "host", "=web", "80=", "80=a b", "1.2.3.4"])
  func whatIsNoImportedServiceIsNone(text: String) { #expect(ImportedService(text) == nil) }
}

@Suite struct TunnelLossTests {
  @Test func retryingIsAdvisedOnlyWhereItIsNotDone() {
    let advice = WormholeError(losingTunnel: TubusEnding.silent, isRetrying: false).description
    #expect(advice.contains("use --retry"))
    let news = WormholeError(losingTunnel: TubusEnding.silent, isRetrying: true).description
    #expect(news.hasPrefix("the tunnel broke") && !news.contains("--retry"))
  }
}

@Suite struct ControlMessageTests {
  @Test(arguments: [
    ControlMessage.hello(Hello(role: .exporter, initialWindow: 5)), .open(7, StreamRequest(service: "web", kind: .udp)),
    .connected(1), .close(2, CloseReason(.refused, "nobody there")), .finish(3), .window(4, limit: .max),
    .blocked(5, limit: 0),
  ]) func messagesReadAsTheyAreWritten(message: ControlMessage) {
    var buffer = ByteBuffer()
    message.write(to: &buffer)
    // Cut anywhere it waits for the rest.
    for length in 0..<buffer.readableBytes {
      var part = buffer.getSlice(at: 0, length: length) ?? ByteBuffer()
      #expect(ControlMessage.read(from: &part) == .incomplete)
    }
    #expect(ControlMessage.read(from: &buffer) == .message(message))
    #expect(buffer.readableBytes == 0)
  }

  @Test func typesOfLaterVersionsAreSkipped() {
    var buffer = ByteBuffer(bytes: [0x70, 0, 0, 2, 1, 2])
    #expect(ControlMessage.read(from: &buffer) == .skipped)
    #expect(ControlMessage.read(from: &buffer) == .incomplete)
  }
}
