extension Lab.NATKind {
  /// The same in the simulator.
  public var surroundings: Surroundings {
    switch self {
    case .open: .open
    case .fullCone: Surroundings([.fullCone])
    case .addressRestricted: Surroundings([.addressRestricted])
    case .portRestricted: Surroundings([.portRestricted])
    case .symmetric: Surroundings([.symmetric])
    }
  }
}
