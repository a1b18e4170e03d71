import Datagrams
import NIOCore
import Testing

@testable import Tubus

/// The captured sessions, played to our core: it must do for the reference what the reference did for itself.
@Suite struct ReplayTests {
  @Test(arguments: ["tubus-plain", "tubus-obscured"], ["importer", "exporter"])
  func theCoreStandsInForEitherEnd(name: String, played: String) throws {
    let capture = try Capture.load(name)
    var configuration = TubusConfiguration()
    configuration.secret = capture.secret
    var core = TubusConnection(
      role: played == "importer" ? .acceptor : .connector, configuration: configuration, seed: 3, now: .zero)
    _ = core.drain(now: .zero)
    var answers: [Section] = []
    var stream: [UInt8] = []
    var expected: [UInt8] = []
    var questions: [Section] = []
    for (packet, plain) in capture.plainPackets where packet.from == played {
      let now = Instant(nanoseconds: Int64(packet.ms * 1_000_000))
      core.handleTimeout(now: now)
      #expect(core.take(packet.bytes, now: now) == .taken)
      for section in sections(plain) {
        if case .move(_, let data) = section { expected += plain[data] }
        questions.append(section)
      }
      stream += core.readAll(now: now)
      answers += core.drain(now: now).flatMap { sections(Self.unmask($0, capture.secret)) }
    }
    // What is echoed a little later, dense as the capture is.
    let end = Instant(nanoseconds: 10_000_000_000)
    core.handleTimeout(now: end)
    answers += core.drain(now: end).flatMap { sections(Self.unmask($0, capture.secret)) }
    #expect(stream == expected)
    // A recorded importer cannot show that it received what this exporter sent, so nothing is said of it.
    #expect(core.drainEvents() == (played == "importer" ? [] : [.linked]))
    for question in questions {
      switch question {
      case .link: #expect(answers.contains(.linkEcho))
      case .ping(let number): #expect(answers.contains(.pingEcho(number)))
      case .move(let offset, _): #expect(answers.contains(.moveEcho(offset)))
      default: break
      }
    }
    let lastEdge = questions.reversed().firstNonNil { if case .edge(let edge) = $0 { edge } else { nil } }
    #expect(lastEdge.map { answers.contains(.edgeEcho($0)) } == true)
  }

  private static func unmask(_ bytes: [UInt8], _ secret: UInt64) -> [UInt8] {
    guard let obscuring = Obscuring(secret: secret) else { return bytes }
    var plain = bytes
    bytes.withUnsafeBytes { source in plain.withUnsafeMutableBytes { obscuring.unmask(source, into: $0) } }
    return plain
  }
}

extension Sequence {
  fileprivate func firstNonNil<Result>(_ transform: (Element) -> Result?) -> Result? {
    for element in self { if let result = transform(element) { return result } }
    return nil
  }
}
