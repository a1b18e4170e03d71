import Datagrams
import LibC
import Logging

/// Takes the node to another address of this host where nobody answers at its own any more: joined through one uplink it is bound to that
/// one's address, and an uplink may go for good.
struct UplinkKeeper: Sendable {
  /// A round of looking at the addresses, and how long each has to bring somebody's answer.
  struct Times: Sendable {
    /// An address that is gone comes back where a lease is renewed or a cable put in again, mostly within seconds.
    var lookEvery = Duration.seconds(10)
    /// What is silent for so long will not answer without us: the bootstrap hosts were greeted some six times.
    var silence = Duration.seconds(60)
    /// The longest pause between rounds in vain, which end every waiting `put` and `get`.
    var silenceAtMost = Duration.seconds(600)
    /// Nobody is waiting as for a first join; name servers may be slow where an uplink is dead.
    var turn = Duration.seconds(5)
  }

  let node: DHTNode
  let board: StatusBoard
  let configuration: DHTConfiguration
  /// Greets whoever may answer, once.
  let greet: @Sendable () async -> Void
  let logger: Logger
  var times = Times()
  /// Whether the host has an address.
  var isOwn: @Sendable (IPAddress) -> Bool = { $0.isOfThisHost }

  /// Runs until cancelled; returns at once where there is but one address.
  func run(from address: IPAddress?) async {
    guard !configuration.alternatives4.isEmpty else { return }
    // Until then `DHTRendezvous.join(timeout:)` goes through the addresses.
    await board.wait { $0 == .connected }
    var address = address
    var silentSince: ContinuousClock.Instant?
    var silence = times.silence
    while (try? await Task.sleep(for: times.lookEvery)) != nil {
      if board.isConnected, address.map(isOwn) != false {
        (silentSince, silence) = (nil, times.silence)
        continue
      }
      let since = silentSince ?? .now
      silentSince = since
      // An address may be away for a moment: seen twice it is gone.
      let isGone = address.map(isOwn) == false && since.duration(to: .now) >= times.lookEvery
      guard isGone || since.duration(to: .now) >= silence else { continue }
      let isFound: Bool
      (address, isFound) = await moveOn()
      silentSince = isFound ? nil : .now
      silence = isFound ? times.silence : min(silence * 2, times.silenceAtMost)
    }
  }

  /// Goes through all addresses, the preferred one first, and stays at the first where somebody answers, or else at the preferred one.
  private func moveOn() async -> (IPAddress?, isFound: Bool) {
    for address in [configuration.address4] + configuration.alternatives4 where address.map(isOwn) != false {
      if Task.isCancelled { return (address, false) }
      guard move(to: address) else { continue }
      let isFound = await withTaskGroup(of: Bool?.self) { group in
        group.addTask {
          await greet()
          return nil
        }
        group.addTask { await board.isConnected(within: times.turn) }
        defer { group.cancelAll() }
        for await found in group { if let found { return found } }
        return false
      }
      guard isFound else { continue }
      let which = address?.isUnspecified == false ? address.map { ": \($0)" } ?? "" : ", the preferred one"
      logger.info(
        "The DHT is joined from another local address\(which)",
        metadata: ["event": "dht.moved"])
      return (address, true)
    }
    _ = move(to: configuration.address4)
    return (configuration.address4, false)
  }

  private func move(to address: IPAddress?) -> Bool {
    var (parameters, mayTakeAnother) = configuration.clientParameters(address4: address)
    do throws(DHTNode.StartFailure) {
      do throws(DHTNode.StartFailure) { try node.move(to: parameters) } catch {
        guard error.isPortTaken, mayTakeAnother else { throw error }
        parameters.port = 0
        try node.move(to: parameters)
      }
      return true
    } catch {
      logger.debug(
        "the DHT node cannot be started at another address",
        metadata: [
          "event": "dht.not-moved", "address": "\(parameters.address4 ?? "none")", "reason": "\(error.reason)",
        ])
      return false
    }
  }
}

extension DHTConfiguration {
  /// What a node that only uses the DHT starts with, and whether another port will do where that one is taken.
  func clientParameters(address4: IPAddress?) -> (DHTNode.Parameters, mayTakeAnother: Bool) {
    let (wanted, mayTakeAnother): (UInt16, Bool) =
      switch port {
      case .fixed(let port): (port, false)
      case .preferred(let port): (port, true)
      }
    let parameters = DHTNode.Parameters(
      port: wanted, address4: address4?.description, address6: address6?.description, network: network, serves: false)
    return (parameters, mayTakeAnother)
  }
}

extension IPAddress {
  /// Whether this host has the address (or it is the unspecified one): no other can be bound. True where the system does not tell.
  var isOfThisHost: Bool {
    guard case .v4(let bits) = self else { return true }
    let descriptor = socket(AF_INET, datagramSocketType | closeOnExecution, 0)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = bits.bigEndian
    let status = withUnsafePointer(to: &name) { name in
      name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return status == 0 || errno != EADDRNOTAVAIL
  }
}
