import COpenDHT
import Synchronization

/// Why a host has no address.
struct ResolveFailure: Error {
  var reason: String
}

/// Finds the numeric addresses of a host, or why there are none; gives up after `timeout`.
func resolve(host: String, withIPv6: Bool, timeout: Duration) async -> Result<[String], ResolveFailure> {
  let (results, feed) = AsyncStream.makeStream(of: Result<[String], ResolveFailure>.self)
  let collector = AddressCollector { result in
    feed.yield(result)
    feed.finish()
  }
  codht_resolve(
    host, withIPv6, collector.context,
    { object, address in
      guard let address else { return }
      AddressCollector.at(object).add(String(cString: address))
    },
    { object, error in AddressCollector.at(object).finish(error: error.map { String(cString: $0) }) })
  return await withTaskGroup { group in
    group.addTask { await results.first { _ in true } }
    group.addTask {
      try? await Task.sleep(for: timeout)
      return nil
    }
    defer { group.cancelAll() }
    return await group.next()?.flatMap { $0 } ?? .failure(ResolveFailure(reason: "no name server answered in time"))
  }
}

private final class AddressCollector: Sendable {
  private let found = Mutex<[String]>([])
  private let done: @Sendable (Result<[String], ResolveFailure>) -> Void

  init(_ done: @escaping @Sendable (Result<[String], ResolveFailure>) -> Void) { self.done = done }

  var context: codht_context {
    codht_context(object: Unmanaged.passRetained(self).toOpaque()) { Unmanaged<AnyObject>.release($0) }
  }

  static func at(_ object: UnsafeMutableRawPointer?) -> AddressCollector {
    Unmanaged<AddressCollector>.object(at: object)
  }

  func add(_ address: String) { found.withLock { $0.append(address) } }

  func finish(error: String?) {
    done(error.map { .failure(ResolveFailure(reason: $0)) } ?? .success(found.withLock { $0 }))
  }
}
