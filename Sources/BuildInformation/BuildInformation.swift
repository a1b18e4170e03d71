/// Where the running program comes from, for `--version`.
public enum BuildInformation {
  /// The commit that it was built from: twelve digits, `-dirty` behind them where files were changed; nil outside of git and of an
  /// archive that git made.
  public static var commit: String? { Generated.commit.isEmpty ? nil : Generated.commit }

  /// The first line of what `--version` prints.
  public static func line(program: String, version: String) -> String {
    "\(program) \(version) (\(commit.map { "commit \($0)" } ?? "commit unknown"))"
  }
}
