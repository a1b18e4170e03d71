import Datagrams

/// What different remote endpoints saw of one local socket, and what follows from it (RFC 5780 4.3).
///
/// Only answers count here, never a silence: whatever is missing leaves the verdict at `unknown`.
struct MappingObservations: Sendable {
  private struct Observation {
    let destination: Endpoint
    let mapped: Endpoint
    let isTranslated: Bool?
  }

  private var observations: [Observation] = []

  mutating func append(destination: Endpoint, mapped: Endpoint, isTranslated: Bool?) {
    guard !hasAnswer(from: destination) else { return }
    observations.append(Observation(destination: destination, mapped: mapped, isTranslated: isTranslated))
  }

  func hasAnswer(from destination: Endpoint) -> Bool { observations.contains { $0.destination == destination } }

  /// Whether something between us and the servers rewrites the address; nil if no answer could be compared.
  var isTranslated: Bool? {
    let known = observations.compactMap(\.isTranslated)
    return known.isEmpty ? nil : known.contains(true)
  }

  /// The public endpoint: a translated one before the local one, which a server on this side of the NAT sees.
  var publicEndpoint: Endpoint? { relevant.first?.mapped }

  var addresses: Set<IPAddress> { Set(relevant.map(\.mapped.address)) }

  var behavior: MappingBehavior {
    guard isTranslated != false else { return .endpointIndependent }
    var sameAddress = Comparison()
    var otherAddress = Comparison()
    for (index, left) in relevant.enumerated() {
      for right in relevant.dropFirst(index + 1) {
        if left.destination.address == right.destination.address {
          sameAddress.add(left.mapped == right.mapped)
        } else {
          otherAddress.add(left.mapped == right.mapped)
        }
      }
    }
    // Two ports of one address that see different endpoints settle it, whatever else was seen.
    if sameAddress.sawDifference { return .addressAndPortDependent }
    if otherAddress.sawDifference { return sameAddress.sawEquality ? .addressDependent : .endpointDependent }
    return otherAddress.sawEquality ? .endpointIndependent : .unknown
  }

  /// Without those that did not pass the NAT, if others did: they tell nothing about it.
  private var relevant: [Observation] {
    let translated = observations.filter { $0.isTranslated == true }
    return translated.isEmpty ? observations : translated
  }

  private struct Comparison {
    var sawEquality = false
    var sawDifference = false

    mutating func add(_ isEqual: Bool) {
      if isEqual { sawEquality = true } else { sawDifference = true }
    }
  }
}
