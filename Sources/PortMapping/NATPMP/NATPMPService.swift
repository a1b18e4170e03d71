import CPortMapping
import Datagrams
import STUN
import Synchronization

/// A router that speaks NAT-PMP, by libnatpmp, whose calls block for as long as they are given.
struct NATPMPService: MappingService {
  let mappingProtocol = PortMappingProtocol.natPMP
  let place: NetworkPlace
  private let address: UInt32
  /// It tells no nonce and its seconds only beside an answer, so renewing in time has to do.
  var restarts: Int { 0 }

  private init?(_ place: NetworkPlace) {
    guard case .v4(let bits) = place.router else { return nil }
    (self.place, address) = (place, bits)
  }

  /// The library sends at 0, 250 and 750 ms. Two questions are one request here, so that is what each run of both may take.
  private static let patience: Int32 = 900
  private static let removalPatience: Int32 = 400

  /// Finds out whether the router speaks NAT-PMP.
  ///
  /// - Throws: ``PortMappingError``.
  static func find(at place: NetworkPlace) async throws -> NATPMPService {
    guard let service = NATPMPService(place) else { throw PortMappingError.noRouter }
    let (result, _) = await service.ask { plexus_natpmp_address($0, patience, $1) }
    // Whoever refuses speaks it.
    guard result == 0 || isRefusal(result) else {
      throw PortMappingError(result == closed ? .closed : .absent, .natPMP, place.router, words(result))
    }
    return service
  }

  func map(_ request: MappingRequest) async throws -> MappedPort {
    let (result, answer) = await ask {
      plexus_natpmp_map($0, request.inner, request.suggestedPort, request.seconds, Self.patience, $1)
    }
    try Task.checkCancellation()
    guard result == 0 else {
      throw PortMappingError(
        Self.isRefusal(result) ? .refused : .absent, .natPMP, router, Self.words(result))
    }
    guard answer.inner_port == request.inner else {
      throw PortMappingError(.unusableAnswer, .natPMP, router, "it forwards another port")
    }
    return try mapped(
      request, to: Endpoint(address: .v4(answer.external_address), port: answer.external_port),
      lifetime: answer.lifetime)
  }

  func unmap(_ request: MappingRequest, _ mapped: MappedPort?) async {
    _ = await ask { plexus_natpmp_map($0, request.inner, 0, 0, Self.removalPatience, $1) }
  }

  /// Runs a call on a thread of its own and waits for it: it ends soon by itself.
  private func ask(
    _ call: @escaping @Sendable (UInt32, UnsafeMutablePointer<plexus_natpmp_answer>) -> Int32
  ) async -> (Int32, plexus_natpmp_answer) {
    await withCheckedContinuation { continuation in
      let isStarted = DetachedThread.start { [address] in
        var answer = plexus_natpmp_answer()
        let result = call(address, &answer)
        continuation.resume(returning: (result, answer))
      }
      if !isStarted { continuation.resume(returning: (-2, plexus_natpmp_answer())) }
    }
  }

  /// The router has answered by ICMP that the port, which is PCP's, too, is closed.
  private static let closed: Int32 = -7

  /// The router's own codes begin there in natpmp.h.
  static func isRefusal(_ result: Int32) -> Bool { (-60 ... -49).contains(result) }

  static func words(_ result: Int32) -> String {
    switch result {
    case Int32(PLEXUS_NATPMP_SILENT): "it does not answer"
    case closed: "nothing listens there"
    case -14: "it answers in another version"
    case -15: "it answers another question"
    case -51: "it is not allowed to this host, or switched off"
    case -52: "it has no way to the internet itself, or a private address only"
    case -53: "it has no room for more"
    default: "libnatpmp says \(result)"
    }
  }
}
