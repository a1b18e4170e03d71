import Synchronization

/// Two hosts with a path between them that delays, queues and loses packets; see ``withPath(_:name:seed:isolation:_:)``.
public struct EmulatedPath: Sendable {
  /// One end.
  public let left: Lab.Host
  /// The other end.
  public let right: Lab.Host
  let emulator: PathEmulator
  let current: CurrentConditions

  /// What the path does to packets now, with every buffer's size filled in.
  public var conditions: PathConditions { current.value.withLock { $0 }.resolved }

  /// What went over the path so far, a moment ago at most.
  public var counters: PathCounters { emulator.counters }

  /// Changes what the path does to packets, at once.
  ///
  /// What waits in the queue leaves it at the new rate; what travels already arrives as it would have, and nothing overtakes it. A buffer
  /// whose size follows from rate and RTT follows them.
  ///
  /// - Throws: ``LabError`` with code ``LabError/Code/invalidTopology`` if a value is out of range or an MTU is another one; then
  ///   nothing changes.
  public func change(_ body: @Sendable (inout PathConditions) -> Void) throws(LabError) {
    try current.value.withLock { current throws(LabError) in
      var new = current
      body(&new)
      try new.validate()
      guard new.leftToRight.mtu == current.leftToRight.mtu, new.rightToLeft.mtu == current.rightToLeft.mtu else {
        throw LabError(.invalidTopology, "a path's MTU cannot change while it runs; make another path")
      }
      current = new
      // Within the lock, so that of two changes at once the emulator has the same last one.
      emulator.change(to: new.resolved)
    }
  }

  /// Packets that an end's interface dropped before the emulator saw them, of both ends; a measurement with such is void.
  public func droppedByInterfaces() async throws -> Int {
    var sum = 0
    for host in [left, right] {
      let result = try await host.run("cat", "/sys/class/net/\(PathTopology.device)/statistics/tx_dropped")
      guard let count = Int(result.output.filter { $0 != "\n" }) else {
        throw LabError(.setupFailed, "the counters of \(host.namespace) could not be read: \(result.errors)")
      }
      sum += count
    }
    return sum
  }

  final class CurrentConditions: Sendable {
    let value: Mutex<PathConditions>

    init(_ conditions: PathConditions) { value = Mutex(conditions) }
  }
}
