/// Keeps tests that start DHT nodes and servers from running all at once.
///
/// Swift Testing starts every test of a run in parallel. Fifty DHT nodes in one process have more than a thousand descriptors open, which is all that
/// a process may have by default.
public enum HeavyTests {
  private static let limit = 8
  private static let slots = {
    let (free, giving) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingOldest(limit))
    for _ in 0..<limit { giving.yield() }
    return (free: free, giving: giving)
  }()

  /// Runs `body` when fewer than eight others run. Do not nest.
  public static func run<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
  ) async throws -> Result {
    var free = slots.free.makeAsyncIterator()
    await free.next(isolation: isolation)
    try Task.checkCancellation()
    defer { slots.giving.yield() }
    return try await body()
  }
}
