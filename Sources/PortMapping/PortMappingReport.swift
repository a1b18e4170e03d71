import Datagrams

/// What the router of this network does about port mapping.
public struct PortMappingReport: Hashable, Sendable {
  /// The router, which is the default gateway; nil without one.
  public var router: IPAddress?
  /// What came of each protocol, in the order of ``PortMappingProtocol``.
  public var findings: [Finding]

  /// What came of one protocol.
  public struct Finding: Hashable, Sendable, CustomStringConvertible {
    /// How the router was asked.
    public var mappingProtocol: PortMappingProtocol
    /// The port that the router forwarded for a moment, or why it did not.
    public var outcome: Result<MappedPort, PortMappingError>

    /// The external address; nil where ports are not forwarded.
    public var externalAddress: IPAddress? { try? outcome.get().external.address }

    /// One sentence.
    public var description: String {
      switch outcome {
      case .success(let mapped):
        "the router \(mapped.router) forwards ports of \(mapped.external.address) by \(mappingProtocol)"
      case .failure(let error): error.description
      }
    }
  }

  /// Whether ports are forwarded by any protocol.
  public var isAvailable: Bool { findings.contains { $0.externalAddress != nil } }
}
