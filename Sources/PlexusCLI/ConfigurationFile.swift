import ArgumentParser
import CLISupport
import LibC

extension PlexusOptions {
  /// Adds what the file of `--config` says, if there is one; the command line wins.
  ///
  /// - Throws: ``CommandFailure`` that names the file and the line.
  func addingConfigurationFile() throws(CommandFailure) -> PlexusOptions {
    guard let config = self.config else { return self }
    var fromFile = try Self.parse(configurationFile: config)
    if self.emailPassword != nil || self.emailPasswordFile != nil {
      // Two ways to give the same.
      (fromFile.emailPassword, fromFile.emailPasswordFile) = (nil, nil)
    }
    var merged = self
    merged.accept = self.accept || fromFile.accept
    merged.status = self.status || fromFile.status
    merged.stdio = self.stdio || fromFile.stdio
    merged.noPortMapping = self.noPortMapping || fromFile.noPortMapping
    // What to do with the passage is one choice: a file's is taken when the command line makes none.
    if self.export.isEmpty, self.imports.isEmpty, !merged.stdio, self.execCommand == nil {
      (merged.export, merged.imports) = (fromFile.export, fromFile.imports)
    } else {
      fromFile.execCommand = nil
      if self.execCommand == nil {
        // What the file says of the program's start goes with it.
        (fromFile.execArgs, fromFile.execPwd, fromFile.execLog, fromFile.execEnv) = (nil, nil, nil, nil)
      }
    }
    merged.stunServer = self.stunServer.isEmpty ? fromFile.stunServer : self.stunServer
    merged.dhtBootstrap = self.dhtBootstrap.isEmpty ? fromFile.dhtBootstrap : self.dhtBootstrap
    for option in Self.singleOptions where merged[keyPath: option] == nil {
      merged[keyPath: option] = fromFile[keyPath: option]
    }
    return merged
  }

  private static var singleOptions: [WritableKeyPath<PlexusOptions, String?>] {
    [
      \.appID, \.appRepo, \.hostInfo, \.peerInfo, \.stunClient, \.dhtPort, \.dhtNetwork, \.emailSmtps, \.emailImaps,
      \.emailLogin, \.emailPassword, \.emailPasswordFile, \.emailAuth, \.emailCert, \.emailKey, \.emailCa, \.punchHops,
      \.ways,
      \.execCommand, \.execArgs,
      \.execPwd, \.execLog, \.execEnv, \.secure, \.logLevel, \.logFile,
    ]
  }

  /// Each setting is read as the option of its name, so that both know the same names and spellings.
  private static func parse(configurationFile path: String) throws(CommandFailure) -> PlexusOptions {
    let file: INIFile
    do {
      file = try INIFile(parsing: readTextFile(path, limit: INIFile.maximumBytes))
    } catch let error as INIError {
      throw CommandFailure(.configuration, "\(path), \(error)")
    } catch let error as CommandFailure {
      throw error
    } catch {
      throw CommandFailure(.noInput, "cannot read \(path): \(error)")
    }
    var arguments: [String] = []
    for entry in file.entries {
      let argument: [String]
      switch (entry.name, entry.value.lowercased()) {
      case ("accept", let value), ("status", let value), ("stdio", let value), ("no-port-mapping", let value):
        switch value {
        case "1", "true", "yes", "on": argument = ["--\(entry.name)"]
        case "0", "false", "no", "off": argument = []
        default:
          throw CommandFailure(
            .configuration, "\(path), line \(entry.line): \(entry.name) is true or false, not \"\(entry.value)\"")
        }
      case ("config", _):
        throw CommandFailure(.configuration, "\(path), line \(entry.line): a configuration file names no other one")
      default: argument = ["--\(entry.name)=\(entry.value)"]
      }
      // One by one, so that the message can tell the line.
      do { _ = try PlexusOptions.parse(argument) } catch {
        let isOption = entry.value.isEmpty && (try? PlexusOptions.parse(["--\(entry.name)=value"])) != nil
        throw CommandFailure(
          .configuration,
          "\(path), line \(entry.line): "
            + (isOption
              ? "the value of \"\(entry.name)\" is empty; give it one, or take the line out"
              : "\"\(entry.name)\" is no option of plexus; see plexus --help"))
      }
      arguments += argument
    }
    do { return try PlexusOptions.parse(arguments) } catch {
      throw CommandFailure(.configuration, "\(path): \(PlexusOptions.message(for: error))")
    }
  }
}
