// swift-tools-version: 6.2

import PackageDescription

// A package that uses Plexus by its URL. scripts/test-consumer builds it against a clone.
let package = Package(
  name: "consumer",
  dependencies: [
    .package(url: Context.environment["PLEXUS_URL"] ?? "https://git.example.org/plexus.git", branch: "main")
  ],
  targets: [
    // The usual way: `.product(name: "Plexus", …)` leaves the kind to the package manager, which links statically.
    .executableTarget(
      name: "with-static", dependencies: [.product(name: "PlexusStatic", package: "plexus")],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    // libPlexusDynamic.so holds everything that Plexus depends on: import Logging and NIO from it rather than
    // linking them once more.
    .executableTarget(
      name: "with-dynamic", dependencies: [.product(name: "PlexusDynamic", package: "plexus")],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
  ])
