/// What `--version` tells.
enum WormholeVersion {
  /// The version of the package, and what the wire is called.
  static let current = "0.1.0"
}
