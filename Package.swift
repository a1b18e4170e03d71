// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")

// scripts/fuzz sets PLEXUS_FUZZ: then the fuzz targets become a program around libFuzzer, otherwise a test.
let isFuzzing = Context.environment["PLEXUS_FUZZ"] != nil
let fuzzed: [Target.Dependency] = [
  "Datagrams", "STUN", "PortMapping", "HolePunching", "Identity", "Rendezvous", "COpenDHT", "RendezvousDHT",
  "RendezvousEmail",
  "CLISupport", "Plexus", "Tubus", "Wormhole", logging, nio,
]
let fuzzing: [Target] =
  isFuzzing
  ? [
    .target(name: "LibFuzzer", path: "Tests/Fuzzing/LibFuzzer"),
    .executableTarget(
      name: "PlexusFuzz", dependencies: fuzzed + ["LibFuzzer"], path: "Tests/Fuzzing",
      exclude: ["Corpus", "LibFuzzer", "Tests"], sources: ["Targets", "Driver"], swiftSettings: strict),
  ]
  : [
    .testTarget(
      name: "FuzzingTests", dependencies: fuzzed, path: "Tests/Fuzzing", exclude: ["Driver", "LibFuzzer"],
      sources: ["Targets", "Tests"], resources: [.copy("Corpus")], swiftSettings: strict)
  ]

// Arrows point down only: PlexusCLI -> Plexus -> RendezvousDHT, HolePunching -> Rendezvous, STUN, Identity -> Datagrams.
let package = Package(
  name: "plexus",
  products: [
    .library(name: "Plexus", targets: ["Plexus"]),
    .library(name: "PlexusStatic", type: .static, targets: ["Plexus"]),
    .library(name: "PlexusDynamic", type: .dynamic, targets: ["Plexus"]),
    .library(name: "Tubus", targets: ["Tubus"]),
    .library(name: "Wormhole", targets: ["Wormhole"]),
    .library(name: "SecureStreams", targets: ["SecureStreams"]),
    .library(name: "PlexusTesting", targets: ["PlexusTesting"]),
    .executable(name: "plexus", targets: ["PlexusCLI"]),
    .executable(name: "wormhole", targets: ["WormholeCLI"]),
    .executable(name: "plexus-lab", targets: ["PlexusLabTool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.0"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.0"),
  ],
  targets: [
    // The system's C library under one name.
    .target(name: "LibC", swiftSettings: strict),
    // Values every core speaks: addresses, datagrams, instants. No I/O, no clock.
    .target(name: "Datagrams", dependencies: ["LibC"], swiftSettings: strict),
    // What NIO's datagram channel cannot do: segmentation offload and hop limits by datagram, errors that close nothing.
    .target(name: "CDatagramSockets"),
    // The one UDP socket driver, on SwiftNIO.
    .target(
      name: "DatagramSockets",
      dependencies: [
        "LibC", "CDatagramSockets", "Datagrams", nio, nioPosix,
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),
    .target(
      name: "STUN", dependencies: ["LibC", "Datagrams", "DatagramSockets", nio, nioPosix], swiftSettings: strict),
    // libnatpmp, and what libminiupnpc reads; PCP needs neither.
    .target(
      name: "CPortMapping", linkerSettings: [.linkedLibrary("miniupnpc"), .linkedLibrary("natpmp")]),
    // Has the network's router forward ports: PCP, NAT-PMP, UPnP IGD.
    .target(
      name: "PortMapping",
      dependencies: [
        "LibC", "CPortMapping", "Datagrams", "DatagramSockets", "STUN", nio, nioPosix,
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ], swiftSettings: strict),
    // The reliable stream through the hole: a core without I/O, and a NIO channel on top.
    .target(
      name: "Tubus",
      dependencies: [
        "LibC", "Datagrams", "DatagramSockets", "CDatagramSockets", nio, nioPosix,
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "HeapModule", package: "swift-collections"),
      ],
      swiftSettings: strict),
    .target(
      name: "HolePunching",
      dependencies: [
        "Datagrams", "DatagramSockets", "STUN", nio, nioPosix, crypto, logging,
        .product(name: "DequeModule", package: "swift-collections"),
      ], swiftSettings: strict),
    .target(
      name: "Identity",
      dependencies: [
        "LibC", "Datagrams", crypto, .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"), logging,
      ], swiftSettings: strict),
    .target(
      name: "Rendezvous", dependencies: ["LibC", "Datagrams", "Identity", crypto, logging], swiftSettings: strict),
    .target(name: "COpenDHT", linkerSettings: [.linkedLibrary("opendht")]),
    .target(
      name: "RendezvousDHT", dependencies: ["LibC", "Rendezvous", "Identity", "COpenDHT", logging],
      swiftSettings: strict),
    // TCP and UDP services through a tunnel: any stream channel, a tubus connection in the first place.
    .target(
      name: "Wormhole",
      dependencies: [
        "LibC", "Datagrams", "DatagramSockets", "Tubus", nio, nioPosix, logging,
        .product(name: "DequeModule", package: "swift-collections"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "WormholeCLI",
      dependencies: [
        "LibC", "Wormhole", "Tubus", "Datagrams", "BuildInformation", "CLISupport", logging, nio, nioPosix,
        argumentParser,
      ], swiftSettings: strict),
    .target(name: "CSMIME", linkerSettings: [.linkedLibrary("crypto")]),
    .target(
      name: "RendezvousEmail",
      dependencies: [
        "LibC", "Rendezvous", "Identity", "Datagrams", "DatagramSockets", "CSMIME", nio, nioPosix, nioSSL, logging,
        .product(name: "NIOTLS", package: "swift-nio"), .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
      ], swiftSettings: strict),
    // TLS between two identities over any stream channel: certificates pinned to the repository.
    .target(
      name: "SecureStreams",
      dependencies: ["Identity", nio, nioSSL, .product(name: "NIOTLS", package: "swift-nio"), crypto],
      swiftSettings: strict),
    // Where the kernel tells that an address or a route has changed.
    .target(name: "CNetworkChanges"),
    // What posix_spawn can do and Swift's Glibc module does not show.
    .target(name: "CProcess"),
    .target(
      name: "Plexus",
      dependencies: [
        "LibC", "Tubus", "Wormhole", "SecureStreams", nio, nioPosix,
        "CProcess", "CNetworkChanges", crypto,
        "Datagrams", "DatagramSockets", "STUN", "PortMapping", "HolePunching", "Identity", "Rendezvous",
        "RendezvousDHT",
        "RendezvousEmail", logging, .product(name: "Metrics", package: "swift-metrics"),
      ], swiftSettings: strict),
    // For --version; not in the libraries, whose users need not run a plugin.
    .plugin(name: "CommitPlugin", capability: .buildTool()),
    .target(name: "BuildInformation", swiftSettings: strict, plugins: ["CommitPlugin"]),
    // What the command lines share: configuration file, log, failures, service manager.
    .target(
      name: "CLISupport",
      dependencies: ["LibC", "Wormhole", logging, unixSignals],
      swiftSettings: strict),
    .executableTarget(
      name: "PlexusCLI",
      dependencies: [
        // Of our own only the facade, and what command lines share.
        "LibC", "Plexus", "BuildInformation", "CLISupport", logging, argumentParser,
      ], swiftSettings: strict),
    // Makes manual pages of what the programs say of their options.
    .executableTarget(name: "ManualTool", swiftSettings: strict),
    // TUN devices in network namespaces, for the path emulator.
    .target(name: "CTun"),
    .target(
      name: "PlexusTesting",
      dependencies: [
        "LibC", "CTun", "Datagrams", "STUN", "HolePunching", "Tubus", nio, logging,
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "HeapModule", package: "swift-collections"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ],
      swiftSettings: strict),
    // plexus-lab: the laboratory of network namespaces from the command line, and the demonstration.
    .executableTarget(
      name: "PlexusLabTool",
      dependencies: [
        "LibC", "PlexusTesting", "Datagrams", "DatagramSockets", "STUN", "HolePunching", "CLISupport",
        argumentParser,
      ], swiftSettings: strict),
    // Programs on the library, as anybody could write them. No products: whoever depends on this package does not build them.
    .target(
      name: "ExampleSupport",
      dependencies: ["Plexus", nio, nioPosix, logging, argumentParser, unixSignals], path: "examples/Shared",
      swiftSettings: strict),
    .executableTarget(name: "hello", dependencies: ["Plexus"], path: "examples/hello", swiftSettings: strict),
    .executableTarget(
      name: "chat", dependencies: ["ExampleSupport", "Plexus", argumentParser], path: "examples/chat",
      swiftSettings: strict),
    .executableTarget(
      name: "filecopy", dependencies: ["ExampleSupport", "Plexus", argumentParser, crypto], path: "examples/filecopy",
      swiftSettings: strict),
    .executableTarget(
      name: "webserver",
      dependencies: [
        "ExampleSupport", "Plexus", argumentParser, nio, nioPosix, .product(name: "NIOHTTP1", package: "swift-nio"),
      ], path: "examples/webserver", swiftSettings: strict),
    .testTarget(name: "DatagramsTests", dependencies: ["Datagrams", "DatagramSockets"], swiftSettings: strict),
    .testTarget(
      name: "STUNTests", dependencies: ["STUN", "Datagrams", "DatagramSockets", "PlexusTesting"],
      swiftSettings: strict),
    .testTarget(
      name: "PortMappingTests",
      dependencies: ["PortMapping", "Datagrams", "DatagramSockets", "PlexusTesting", nio, nioPosix],
      swiftSettings: strict),
    .testTarget(
      name: "HolePunchingTests",
      dependencies: ["HolePunching", "STUN", "Datagrams", "DatagramSockets", "PlexusTesting"],
      resources: [.copy("Fixtures")], swiftSettings: strict),
    .testTarget(
      name: "TubusTests",
      dependencies: [
        "Tubus", "Datagrams", "DatagramSockets", "PlexusTesting", nio, nioPosix,
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      resources: [.copy("Fixtures")], swiftSettings: strict),
    // Whole programs' worth of cores against every NAT of the simulator.
    .testTarget(name: "SimulationTests", dependencies: ["PlexusTesting", "STUN"], swiftSettings: strict),
    .testTarget(
      name: "IdentityTests",
      dependencies: [
        "Identity", "Datagrams", crypto, .product(name: "CryptoExtras", package: "swift-crypto"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"), logging,
      ], swiftSettings: strict),
    .testTarget(
      name: "RendezvousTests",
      dependencies: ["Rendezvous", "RendezvousDHT", "DatagramSockets", "PlexusTesting"],
      swiftSettings: strict),
    .testTarget(
      name: "RendezvousEmailTests",
      dependencies: ["RendezvousEmail", "Rendezvous", "Identity", "PlexusTesting", nio, nioPosix, nioSSL, logging],
      resources: [.copy("Fixtures")], swiftSettings: strict),
    .testTarget(
      name: "PlexusTests",
      dependencies: [
        "Plexus", "PortMapping", "PlexusTesting", "STUN", "HolePunching", "Rendezvous", "RendezvousDHT", "Identity",
        "DatagramSockets",
        "SecureStreams",
        "Tubus", "filecopy", nio, logging,
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "MetricsTestKit", package: "swift-metrics"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SecureStreamsTests",
      dependencies: ["SecureStreams", "Tubus", "Identity", "Datagrams", nio, nioPosix, nioSSL], swiftSettings: strict),
    .testTarget(
      name: "WormholeTests",
      dependencies: ["Wormhole", "Tubus", "Datagrams", "DatagramSockets", "PlexusTesting", logging, nio, nioPosix],
      swiftSettings: strict),
    .testTarget(
      name: "WormholeCLITests", dependencies: ["WormholeCLI", "CLISupport", "PlexusTesting"], swiftSettings: strict),
    .testTarget(name: "CLISupportTests", dependencies: ["CLISupport"], swiftSettings: strict),
    .testTarget(
      name: "PlexusCLITests",
      dependencies: ["PlexusCLI", "WormholeCLI", "ManualTool", "PlexusTesting", "RendezvousEmail", "DatagramSockets"],
      swiftSettings: strict),
    .testTarget(
      name: "LabTests", dependencies: ["PlexusTesting", "Datagrams", "Identity", "STUN"], swiftSettings: strict),
  ] + fuzzing,
  cxxLanguageStandard: .cxx17
)
