import ArgumentParser
import CLISupport
import Datagrams
import LibC
import PlexusTesting

/// Holds a path with delay, loss and a bottleneck up, for measuring by hand.
struct PathCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "path", abstract: "Put delay, rate, queue and loss between two hosts until Ctrl-C.",
    discussion: """
      Example: plexus-lab path --rate 100mbit --rtt 40ms --loss 1%

      Of rate, loss, buffer and mtu there may be two with a comma: from left to right, and back.
      """)

  @Option(help: "A word for the names of the two namespaces.")
  var name: String?

  @Option(help: "Bits a second: 100mbit, 1.5gbit, or none.", transform: { try bothWays($0, "a rate", rateOrNone) })
  var rate = BothWays<Int?>(nil)

  @Option(help: "The time there and back: 40ms.", transform: { try one($0, "a time", PathQuantity.duration) })
  var rtt = Duration.zero

  @Option(
    help: "The share of packets each direction loses: 1%.",
    transform: { try bothWays($0, "a share", PathQuantity.share) })
  var loss = BothWays(0.0)

  @Option(
    help: "Bytes of the queue before the bottleneck: 500KB (default: rate × RTT).",
    transform: { try bothWays($0, "a size", PathQuantity.bytes) })
  var buffer = BothWays<Int?>(nil)

  @Option(help: "The largest IP packet in bytes.", transform: { try bothWays($0, "a size", PathQuantity.bytes) })
  var mtu = BothWays(LinkConditions.usualMTU)

  @Option(help: "The seed of the losses, to have the same ones again.")
  var seed: UInt64 = .random(in: 0...UInt64.max)

  @Option(help: "End by itself after this many seconds.")
  var seconds: Double?

  func validate() throws {
    if let seconds, !(0...1e9).contains(seconds) { throw ValidationError("seconds are 0 or more, not \(seconds)") }
  }

  func run() async throws {
    let conditions = PathConditions(
      leftToRight: LinkConditions(
        rate: rate.there, delay: rtt / 2, loss: loss.there, buffer: buffer.there, mtu: mtu.there),
      rightToLeft: LinkConditions(
        rate: rate.back, delay: rtt / 2, loss: loss.back, buffer: buffer.back, mtu: mtu.back))
    let seconds = seconds
    try await withPath(conditions, name: name, seed: seed) { path in
      print("left  \(path.left.address): ip netns exec \(path.left.namespace) bash")
      print("right \(path.right.address): ip netns exec \(path.right.namespace) bash")
      print("buffer \(path.conditions.leftToRight.buffer ?? 0) bytes, seed \(seed)")
      print(seconds.map { "Ends after \($0) s, or by Ctrl-C." } ?? "Ctrl-C takes it away.")
      fflush(nil)
      let start = ContinuousClock.now
      // 31 years are as good as for ever.
      try await untilSignal(interrupted: { _ in }) { try await Task.sleep(for: .seconds(seconds ?? 1e9)) }
      show(path.counters, after: start.duration(to: .now))
      print("dropped by the hosts' interfaces: \(try await path.droppedByInterfaces())")
      fflush(nil)
    }
  }

  private func show(_ counters: PathCounters, after time: Duration) {
    show("left to right", counters.leftToRight)
    show("right to left", counters.rightToLeft)
    let share = (counters.processorTime / time * 1000).rounded() / 10
    print("processor: \(rounded(counters.processorTime.milliseconds)) ms, \(share)% of one core")
  }

  private func show(_ direction: String, _ counters: LinkCounters) {
    print(
      """
      \(direction): \(counters.packets) packets, \(counters.bytes) bytes; dropped by queue \(counters.droppedByQueue), by loss \
      \(counters.droppedByLoss), by black hole \(counters.droppedByBlackhole), by the emulator \(counters.droppedByEmulator); \
      largest queue \(counters.largestQueue) bytes; late by \(rounded(counters.meanLateness.milliseconds)) ms on average, \
      \(rounded(counters.greatestLateness.milliseconds)) ms at most
      """)
  }

  private func rounded(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }
}

/// A value for each direction.
struct BothWays<Value: Sendable>: Sendable {
  let there: Value
  let back: Value

  init(_ both: Value) { self.init(there: both, back: both) }

  init(there: Value, back: Value) {
    self.there = there
    self.back = back
  }
}

/// `none`, or a rate.
private func rateOrNone(_ text: Substring) -> Int?? {
  text == "none" ? .some(nil) : PathQuantity.rate(text).map { .some($0) }
}

private func one<Value>(_ text: String, _ what: String, _ parse: (Substring) -> Value?) throws -> Value {
  guard let value = parse(text[...]) else { throw ValidationError("“\(text)” is not \(what)") }
  return value
}

private func bothWays<Value>(_ text: String, _ what: String, _ parse: (Substring) -> Value?) throws -> BothWays<Value> {
  let values = text.split(separator: ",", omittingEmptySubsequences: false).map(parse)
  guard (1...2).contains(values.count), let there = values[0], let back = values[values.count - 1] else {
    throw ValidationError("“\(text)” is not \(what), nor two with a comma between them")
  }
  return BothWays(there: there, back: back)
}
