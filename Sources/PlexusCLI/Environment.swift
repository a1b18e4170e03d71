import LibC

/// The environment variables of a run, as a value so that tests can choose them.
struct Environment: Sendable {
  var variables: [String: String]

  /// The process' own.
  static var current: Environment {
    var variables: [String: String] = [:]
    for entry in environmentVariables() {
      guard let equals = entry.firstIndex(of: "=") else { continue }
      variables[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
    }
    return Environment(variables: variables)
  }

  /// A variable's value; an empty one counts as not set.
  subscript(name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// The folder for what must outlive a run but is nobody's configuration (XDG base directory specification).
  var stateFolder: String {
    if let folder = self["XDG_STATE_HOME"], folder.hasPrefix("/") { return folder + "/plexus" }
    if let home = self["HOME"] { return home + "/.local/state/plexus" }
    return "/var/tmp/plexus-\(getuid())"
  }

  /// The folder for what may be lost between runs (XDG base directory specification); nil for a user without a home.
  var cacheFolder: String? {
    if let folder = self["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder + "/plexus" }
    return self["HOME"].map { $0 + "/.cache/plexus" }
  }
}
