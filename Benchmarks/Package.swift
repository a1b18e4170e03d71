// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that who uses Plexus need not build its benchmarks.
let package = Package(
  name: "benchmarks",
  dependencies: [
    .package(name: "plexus", path: ".."),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
  ],
  targets: [
    .executableTarget(
      name: "passage-benchmark",
      dependencies: [
        .product(name: "PlexusTesting", package: "plexus"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
  ]
)
