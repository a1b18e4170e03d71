import ArgumentParser

@main
struct LibraryBenchmark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "library-benchmark",
    abstract: "Measures what programs get from the library; prints figures and asserts nothing.",
    subcommands: [SecureStream.self, Cycles.self, Servers.self])
}
