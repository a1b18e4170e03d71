import PlexusTesting
import Testing

@testable import Wormhole

/// Random lives of streams over every pair of ends, with the tunnel's bytes cut anywhere.
@Suite struct SessionPropertyTests {
  enum Pair: String, CaseIterable, Sendable {
    case bothSwift, plainSwiftImporter, plainSwiftExporter, oldImporter, oldExporter

    func make(limits: SessionLimits) -> EndPair {
      switch self {
      case .bothSwift: EndPair(OurEnd(.importer, limits: limits), OurEnd(.exporter, limits: limits))
      case .plainSwiftImporter: EndPair(OurEnd(.importer, isOld: true), OurEnd(.exporter))
      case .plainSwiftExporter: EndPair(OurEnd(.importer), OurEnd(.exporter, isOld: true))
      case .oldImporter: EndPair(OldEnd(.importer), OurEnd(.exporter))
      case .oldExporter: EndPair(OurEnd(.importer), OldEnd(.exporter))
      }
    }
  }

  @Test(arguments: Pair.allCases) func everyByteArrivesOnceAndInOrder(pair: Pair) async {
    for seed in TestSeeds.schedules(20) {
      await Task.yield()
      var random = SeededGenerator(seed: seed)
      let problems = Self.live(pair, &random)
      #expect(problems.isEmpty, "PLEXUS_SEED=\(seed), \(pair): \(problems.joined(separator: "; "))")
      if !problems.isEmpty { return }
    }
  }

  private static func live(_ pair: Pair, _ random: inout SeededGenerator) -> [String] {
    // Windows that matter for a few kilobytes.
    var limits = SessionLimits()
    limits.initialWindow = [64, 1000, 65536].randomElement(using: &random) ?? 64
    limits.firstWindow = max(limits.initialWindow, 4000)
    let tunnel = pair.make(limits: limits)
    for end in tunnel.ends { (end as? OurEnd)?.isPrompt = random.chance(0.5) }
    let split = [1, 7, 8, 9, 100, 5000].randomElement(using: &random) ?? 1
    if random.chance(0.5) { tunnel.settle() }
    for _ in 0..<Int.random(in: 20...200, using: &random) { step(tunnel, &random, split: split) }
    // What is open is ended by one side, or by both where there is half-close.
    for id in tunnel.importer.records.keys.sorted() {
      tunnel.importer.finish(id)
      if random.chance(0.5) { tunnel.exporter.finish(id) }
    }
    tunnel.settle()
    for id in tunnel.importer.records.keys.sorted() { tunnel.exporter.finish(id) }
    tunnel.settle()
    return problems(of: tunnel)
  }

  private static func step(_ tunnel: EndPair, _ random: inout SeededGenerator, split: Int) {
    let end = random.chance(0.5) ? tunnel.importer : tunnel.exporter
    let id = end.records.keys.sorted().randomElement(using: &random)
    switch Int.random(in: 0..<20, using: &random) {
    case 0, 1: _ = tunnel.importer.open()
    case 2: if let id { end.finish(id) }
    case 3: if let id, random.chance(0.3) { end.cut(id) }
    case 4: end.catchUp()
    case 5..<12:
      if let id { end.send(Int.random(in: 1...(random.chance(0.1) ? 20_000 : 300), using: &random), on: id) }
    default: tunnel.move(upTo: Int.random(in: 1...split, using: &random))
    }
  }

  private static func problems(of tunnel: EndPair) -> [String] {
    var problems: [String] = []
    for end in tunnel.ends {
      if let failure = (end as? OurEnd)?.failure { problems.append("the tunnel failed: \(failure)") }
      if let ours = end as? OurEnd {
        for id in ours.records.keys { ours.session.release(id) }
        if ours.session.streamCount > 0 || ours.session.held != 0 || ours.session.promised != 0 {
          problems.append(
            "\(ours.session.streamCount) streams, \(ours.session.held) bytes and promises of \(ours.session.promised) are left"
          )
        }
      }
    }
    if tunnel.exporter.records.count != tunnel.importer.records.count { problems.append("streams were lost") }
    for (id, there) in tunnel.importer.records {
      guard let here = tunnel.exporter.records[id] else { continue }
      for (sender, receiver) in [(there, here), (here, there)] {
        if receiver.isGarbled { problems.append("stream \(id) is garbled") }
        if receiver.received > sender.sent { problems.append("stream \(id) got more than was sent") }
        // On the old wire who ends first takes nothing any more.
        let isWhole =
          !there.isNegotiated
          ? receiver.hasFinished || receiver.hasCut || sender.hasCut : receiver.hasCut || sender.hasCut
        if !isWhole, receiver.received != sender.sent {
          problems.append("stream \(id) got \(receiver.received) of \(sender.sent)")
        }
      }
    }
    return problems
  }
}
