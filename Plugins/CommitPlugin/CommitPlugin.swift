import Foundation
import PackagePlugin

/// Writes the commit of the package's folder into a source file, before each build.
@main struct CommitPlugin: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let output = context.pluginWorkDirectoryURL.appending(path: "Generated")
    return [
      .prebuildCommand(
        displayName: "Asking git for the commit", executable: URL(filePath: "/bin/sh"),
        arguments: [
          context.package.directoryURL.appending(path: "scripts/write-commit").path(percentEncoded: false),
          output.path(percentEncoded: false),
        ],
        outputFilesDirectory: output)
    ]
  }
}
