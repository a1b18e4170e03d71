import Plexus

/// The environment variables of a run, as a value so that tests can choose them.
struct Environment: Sendable {
  var variables: [String: String]

  /// The process' own.
  static var current: Environment { Environment(variables: StandardFolders.processEnvironment) }

  /// A variable's value; an empty one counts as not set.
  subscript(name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

  /// Where this user's programs keep what they remember.
  var folders: StandardFolders { StandardFolders(environment: variables) }
}
