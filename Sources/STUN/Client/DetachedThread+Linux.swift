import LibC

/// Work that blocks and cannot be cancelled, on a thread that nobody waits for.
///
/// Dispatch's threads are also those of Swift's concurrency, and a NIO thread pool has a fixed number of them: a few calls
/// that hang would hold up everything else.
package enum DetachedThread {
  private final class Work: Sendable {
    let perform: @Sendable () -> Void
    init(_ perform: @escaping @Sendable () -> Void) { self.perform = perform }
  }

  /// Starts the work; false if the system gives no thread.
  package static func start(_ perform: @escaping @Sendable () -> Void) -> Bool {
    let work = Unmanaged.passRetained(Work(perform))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { raw in
        if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().perform() }
        return nil
      }, work.toOpaque())
    guard status == 0 else {
      work.release()
      return false
    }
    pthread_detach(thread)
    return true
  }
}
