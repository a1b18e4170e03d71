// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that who uses Plexus need not build its benchmarks.
let package = Package(
  name: "benchmarks",
  dependencies: [
    .package(name: "plexus", path: ".."),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
  ],
  targets: [
    .executableTarget(
      name: "passage-benchmark",
      dependencies: [
        .product(name: "PlexusTesting", package: "plexus"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    .executableTarget(
      name: "tubus-benchmark",
      dependencies: [
        .product(name: "PlexusTesting", package: "plexus"),
        .product(name: "Tubus", package: "plexus"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    .executableTarget(
      name: "wormhole-benchmark",
      dependencies: [
        .product(name: "PlexusTesting", package: "plexus"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    .target(name: "CHeap"),
    .executableTarget(
      name: "library-benchmark",
      dependencies: [
        "CHeap",
        .product(name: "Plexus", package: "plexus"),
        .product(name: "SecureStreams", package: "plexus"),
        .product(name: "Tubus", package: "plexus"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
  ]
)
