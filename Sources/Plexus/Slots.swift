/// Bounds how many things go on at once. One task takes, any task gives back.
struct Slots: Sendable {
  private let free: AsyncStream<Void>
  private let giving: AsyncStream<Void>.Continuation

  init(_ count: Int) {
    (free, giving) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(count))
    for _ in 0..<count { giving.yield() }
  }

  /// Waits until one is free, or until the task is cancelled.
  func take() async {
    var iterator = free.makeAsyncIterator()
    await iterator.next()
  }

  /// Gives one back.
  func give() { giving.yield() }
}
