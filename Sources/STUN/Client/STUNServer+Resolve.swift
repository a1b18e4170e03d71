import Datagrams
import LibC
import NIOCore
import NIOPosix

extension STUNServer {
  /// Finds the endpoints of servers, all names at once, in the order given.
  ///
  /// - Parameters:
  ///   - names: as the user wrote them; addresses need no look-up.
  ///   - family: the family of the socket that will talk to them.
  ///   - timeout: how long to wait for the system's resolver. Five seconds are its own first timeout: a name server that
  ///     has not answered by then is not there.
  /// - Returns: the servers, and for each name that has no address of this family an error that names it.
  public static func resolve(
    _ names: [HostAndPort], family: IPAddress.Family, timeout: Duration = .seconds(5)
  ) async -> (servers: [STUNServer], failures: [STUNError]) {
    let (lookups, continuation) = AsyncStream.makeStream(of: (Int, Result<IPAddress, STUNError>).self)
    let timer = MultiThreadedEventLoopGroup.singleton.next()
      .scheduleTask(in: .nanoseconds(timeout.nanoseconds)) { continuation.finish() }
    defer { timer.cancel() }
    for (index, name) in names.enumerated() {
      if let literal = IPAddress(name.host) {
        continuation.yield((index, check(literal, of: name, family: family)))
      } else {
        // getaddrinfo blocks and cannot be cancelled: a look-up that hangs is left to its thread, and its result dropped.
        let isStarted = DetachedThread.start { continuation.yield((index, lookUp(name, family: family))) }
        if !isStarted { continuation.yield((index, .failure(.unresolvable(name, "the system gives no thread")))) }
      }
    }

    var results: [Int: Result<IPAddress, STUNError>] = [:]
    if !names.isEmpty {
      for await (index, result) in lookups {
        results[index] = result
        if results.count == names.count { break }
      }
    }
    var servers: [STUNServer] = []
    var failures: [STUNError] = []
    for (index, name) in names.enumerated() {
      switch results[index] {
      case .success(let address)?:
        servers.append(STUNServer(name: name, endpoint: Endpoint(address: address, port: name.port ?? defaultPort)))
      case .failure(let error)?: failures.append(error)
      case nil: failures.append(.unresolvable(name, "the name servers did not answer within \(timeout.inSeconds)"))
      }
    }
    return (servers, failures)
  }

  private static func check(
    _ address: IPAddress, of name: HostAndPort, family: IPAddress.Family
  ) -> Result<IPAddress, STUNError> {
    address.family == family ? .success(address) : .failure(.unresolvable(name, "it is no \(family) address"))
  }

  private static func lookUp(_ name: HostAndPort, family: IPAddress.Family) -> Result<IPAddress, STUNError> {
    var hints = addrinfo()
    hints.ai_family = family == .v4 ? AF_INET : AF_INET6
    hints.ai_socktype = datagramSocketType
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(name.host, nil, &hints, &found)
    guard status == 0, let first = found else {
      return .failure(.unresolvable(name, String(cString: gai_strerror(status))))
    }
    defer { freeaddrinfo(found) }
    guard let address = address(from: first.pointee) else {
      return .failure(.unresolvable(name, "it has no \(family) address"))
    }
    return .success(address)
  }

  private static func address(from info: addrinfo) -> IPAddress? {
    guard let raw = UnsafeRawPointer(info.ai_addr) else { return nil }
    switch info.ai_family {
    case AF_INET: return .v4(UInt32(bigEndian: raw.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
    case AF_INET6:
      return withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { IPAddress(bytes: $0) }
    default: return nil
    }
  }
}

extension STUNError {
  fileprivate static func unresolvable(_ name: HostAndPort, _ reason: String) -> STUNError {
    STUNError(
      code: .unresolvable,
      description: "the STUN server \(name) has no usable address: \(reason); check the name, or use another server",
      detail: reason)
  }
}
