import NIOCore
import Testing

@testable import Wormhole

/// What a peer can do that means harm: memory and streams stay bounded, and the rest goes on.
@Suite struct HostilePeerTests {
  /// A session of the new wire that has been greeted.
  private static func greeted(_ role: WormholeSession.Role, limits: SessionLimits = .init()) -> OurEnd {
    let end = OurEnd(role, limits: limits)
    end.receive(control(.hello(Hello(role: role == .importer ? .exporter : .importer, initialWindow: 1 << 20))))
    return end
  }

  private static func control(_ messages: ControlMessage...) -> [UInt8] {
    var payload = ByteBuffer()
    for message in messages { message.write(to: &payload) }
    return frame(FrameHeader.control, Array(payload.readableBytesView))
  }

  private static func frame(_ id: UInt32, _ payload: [UInt8]) -> [UInt8] {
    var buffer = ByteBuffer()
    buffer.write(FrameHeader(stream: id, length: UInt32(payload.count)))
    buffer.writeBytes(payload)
    return Array(buffer.readableBytesView)
  }

  @Test func streamsAreCounted() {
    var limits = SessionLimits()
    limits.streams = 10
    for end in [Self.greeted(.exporter, limits: limits), OurEnd(.exporter, limits: limits)] {
      for id in 0..<20 as Range<UInt32> {
        end.receive(end.session.features == nil ? Self.frame(id, []) : Self.control(.open(id, StreamRequest())))
      }
      #expect(end.session.streamCount == 10 && end.failure == nil)
    }
  }

  @Test func moreThanTheWindowEndsThatStreamOnly() {
    let end = Self.greeted(.exporter)
    end.isPrompt = false
    end.receive(Self.control(.open(0, StreamRequest()), .open(1, StreamRequest())))
    _ = end.takeOutput()
    let block = [UInt8](repeating: 1, count: 1 << 16)
    for _ in 0..<8 { end.receive(Self.frame(0, block)) }
    #expect(end.records[0]?.reason?.code == .violation)
    #expect(end.session.held == 0 && end.failure == nil)
    end.receive(Self.frame(1, [1]))
    #expect(end.records[1]?.received == 1)
  }

  /// A hundredth of the defaults, for debug builds.
  private static var small: SessionLimits {
    var limits = SessionLimits()
    limits.slowStream = 80 << 10
    limits.held = 320 << 10
    return limits
  }

  @Test func aSlowStreamOfTheOldWireIsClosedAlone() {
    let end = OurEnd(.exporter, limits: Self.small)
    end.isPrompt = false
    end.receive(Self.frame(0, []) + Self.frame(1, []))
    let block = [UInt8](repeating: 1, count: 10 << 10)
    for _ in 0..<12 { end.receive(Self.frame(0, block)) }
    #expect(end.records[0]?.reason?.code == .tooSlow)
    end.receive(Self.frame(1, [1]))
    #expect(end.records[1]?.received == 1 && end.records[1]?.isClosed == false)
  }

  /// Also when each was closed by the peer, so that only our local side holds it up.
  @Test(arguments: [false, true]) func allSlowStreamsTogetherAreBounded(areClosed: Bool) {
    let end = OurEnd(.exporter, limits: Self.small)
    end.isPrompt = false
    let block = [UInt8](repeating: 1, count: 10 << 10)
    for id in 0..<20 as Range<UInt32> {
      end.receive(Self.frame(id, []))
      for _ in 0..<5 { end.receive(Self.frame(id, block)) }
      if areClosed { end.receive(Self.frame(id, [])) }
      #expect(end.session.held <= end.session.limits.held)
    }
    #expect(end.records.values.contains { $0.reason?.code == .tooSlow })
  }

  @Test func aFrameThatSaysToBeHugeTakesNoMemory() {
    let end = OurEnd(.exporter)
    end.receive(Self.frame(0, []))
    end.receive([0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3])
    #expect(end.records[0]?.received == 3 && end.session.held == 0)
    // For nobody, and without end.
    let other = OurEnd(.importer)
    other.receive([0, 0, 0, 9, 0xFF, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 100_000))
    #expect(other.session.held == 0 && other.failure == nil)
  }

  @Test func nonsenseOnTheReservedIDIsOldPeersBusiness() {
    let end = OurEnd(.exporter)
    end.receive(Self.frame(FrameHeader.control, [UInt8](repeating: 0xAB, count: 5000)))
    end.receive(Self.frame(0, []) + Self.frame(0, [7]))
    #expect(end.failure == nil && end.session.features == nil && end.records[0]?.received == 1)
  }

  @Test(arguments: [
    HostilePeerTests.control(.open(5, StreamRequest())),
    HostilePeerTests.control(.hello(Hello(role: .importer, initialWindow: 0))),
    HostilePeerTests.frame(FrameHeader.control, [0, 2, 0xFF, 0xFF]),
    HostilePeerTests.frame(FrameHeader.control, [0, 2, 0, 5, 0, 0, 0, 0, 9]),
  ]) func whatNoWormholeSaysEndsTheTunnel(bytes: [UInt8]) {
    let end = Self.greeted(.exporter)
    end.receive(bytes)
    #expect(end.failure != nil)
  }

  @Test func whoTakesNoAnswersIsCutOff() {
    var limits = SessionLimits()
    limits.streams = 1
    let end = Self.greeted(.exporter, limits: limits)
    var id: UInt32 = 0
    while end.failure == nil, id < 100_000 {
      end.receive(Self.control(.open(id, StreamRequest())))
      id += 1
    }
    #expect(end.failure != nil && id < 20_000)
  }

  @Test func aPeersTextIsCleanedForTheLog() {
    let reason = CloseReason(.other, "a\u{1B}[2Jb\nc" + String(repeating: "ü", count: 1000))
    #expect(!reason.description.unicodeScalars.contains { $0.properties.generalCategory == .control })
    #expect(reason.description.utf8.count <= CloseReason.textLimit)
  }
}
