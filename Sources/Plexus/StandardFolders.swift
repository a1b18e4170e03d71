import LibC

/// Where programs of a user keep what they remember (XDG base directory specification).
public struct StandardFolders: Sendable {
  private let environment: [String: String]

  /// - Parameter environment: variables by name.
  public init(environment: [String: String] = StandardFolders.processEnvironment) {
    // An empty variable counts as not set.
    self.environment = environment.filter { !$0.value.isEmpty }
  }

  /// The variables of this process.
  public static var processEnvironment: [String: String] {
    environmentVariables().reduce(into: [:]) { variables, entry in
      guard let equals = entry.firstIndex(of: "=") else { return }
      variables[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
    }
  }

  /// For what must outlive a run but is nobody's configuration, as ``PlexusConfiguration/stateFolder`` is.
  public var state: String {
    if let folder = environment["XDG_STATE_HOME"], folder.hasPrefix("/") { return folder + "/plexus" }
    if let home = environment["HOME"] { return home + "/.local/state/plexus" }
    return "/var/tmp/plexus-\(getuid())"
  }

  /// For what may be lost between runs, as `DHTConfiguration.cacheFolder` is; nil for a user without a home.
  public var cache: String? {
    if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder + "/plexus" }
    return environment["HOME"].map { $0 + "/.cache/plexus" }
  }
}
