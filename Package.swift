// swift-tools-version: 6.2
// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The rooms of Martlet and who may import whom. This file is the arrow table; TidyTests checks that the imports
// in the sources keep to it, because the compiler does not stop a transitive import.
import PackageDescription

/// Settings of every Swift target. `_GNU_SOURCE` must be the same in all of them: Swift's Glibc module is built
/// without it, the C shims need it, and two definitions of `fd_set` in one build are an error.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .unsafeFlags(["-Xcc", "-D_GNU_SOURCE"]),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

func protocolRoom(_ name: String, _ imports: [Target.Dependency] = ["Wire"]) -> Target {
  .target(name: name, dependencies: imports, path: "Protocols/\(name)", swiftSettings: strict)
}

func room(_ name: String, _ imports: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: imports, path: "Sources/\(name)", swiftSettings: strict)
}

func program(
  _ name: String, _ imports: [Target.Dependency], path: String? = nil, exclude: [String] = []
) -> Target {
  .executableTarget(
    name: name, dependencies: imports, path: path ?? "Sources/\(name)", exclude: exclude, swiftSettings: strict)
}

func library(_ name: String, pkgConfig: String, apt: String) -> Target {
  .systemLibrary(name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func cRoom(_ name: String, path: String) -> Target {
  .target(
    name: name, path: path,
    cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"])])
}

/// A program in C that tests start.
func cProgram(_ name: String, links: String, path: String) -> Target {
  .executableTarget(
    name: name, path: path,
    cSettings: [.define("_GNU_SOURCE"), .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"])],
    linkerSettings: [.linkedLibrary(links)])
}

/// What several test rooms have in common.
func support(_ name: String) -> Target {
  .target(name: name, path: "Tests/\(name)", swiftSettings: strict)
}

func tests(_ name: String, _ imports: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: name, dependencies: imports, path: "Tests/\(name)", exclude: exclude, swiftSettings: strict)
}

let package = Package(
  name: "martlet",
  products: [
    .executable(name: "martlet-fs", targets: ["martlet-fs"]),
    .executable(name: "martlet-blk", targets: ["martlet-blk"]),
    .executable(name: "martlet-gpu", targets: ["martlet-gpu"]),
    .executable(name: "martlet-input", targets: ["martlet-input"]),
    .executable(name: "martlet", targets: ["martlet"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    // What is said: pure values.
    protocolRoom("Wire", []),
    protocolRoom("VirtioProtocol"),
    protocolRoom("VhostUserProtocol"),
    protocolRoom("FuseProtocol"),
    protocolRoom("BlockProtocol"),
    protocolRoom("GPUProtocol"),
    protocolRoom("InputProtocol"),
    protocolRoom("RFBProtocol", []),
    protocolRoom("WaylandProtocol", []),

    // The kernel and the system's libraries.
    cRoom("CLinux", path: "Sources/CLinux"),
    library("CSeccomp", pkgConfig: "libseccomp", apt: "libseccomp-dev"),
    library("CCapNG", pkgConfig: "libcap-ng", apt: "libcap-ng-dev"),
    library("CFuse", pkgConfig: "fuse3", apt: "libfuse3-dev"),
    library("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
    room("Linux", ["CLinux", "CSeccomp", "CCapNG", "CZlib", "Wire"]),
    library("CLiburing", pkgConfig: "liburing", apt: "liburing-dev"),
    room("IOUring", ["CLiburing", "Linux", "Wire"]),

    // The rings and who drives them.
    room("Virtio", ["Wire", "VirtioProtocol"]),
    room("VhostUser", ["Virtio", "VirtioProtocol", "VhostUserProtocol", "Linux", "Wire"]),

    // The devices.
    room("FileSystem", ["FuseProtocol", "Virtio", "VirtioProtocol", "IOUring", "Linux", "Wire"]),
    room("Block", ["BlockProtocol", "Virtio", "VirtioProtocol", "IOUring", "Linux", "Wire"]),
    room("Graphics", ["GPUProtocol", "Virtio", "VirtioProtocol", "Linux", "Wire"]),
    room("Displays", ["Graphics", "InputProtocol", "RFBProtocol", "WaylandProtocol", "Linux", "Wire"]),
    room("Input", ["InputProtocol", "Virtio", "VirtioProtocol", "Linux", "Wire"]),

    // What every program says to people and to programs.
    room("Reporting", ["Linux", argumentParser]),

    // The daemons.
    room("Daemon", ["VhostUser", "Virtio", "Linux", "Reporting", argumentParser, logging]),
    program("martlet-fs", ["Daemon", "FileSystem", "Linux", argumentParser]),
    program("martlet-blk", ["Daemon", "Block", "Linux", argumentParser]),
    program("martlet-gpu", ["Daemon", "Graphics", "Displays", "Input", "Linux", argumentParser]),
    program("martlet-input", ["Daemon", "Input", "Linux", argumentParser]),

    // The driver's side, a second reading of the specification.
    room(
      "Frontend",
      ["VirtioProtocol", "VhostUserProtocol", "FuseProtocol", "BlockProtocol", "GPUProtocol", "Wire", "Linux"]),
    program(
      "martlet",
      [
        "Frontend", "VhostUserProtocol", "VirtioProtocol", "FuseProtocol", "BlockProtocol", "GPUProtocol", "IOUring",
        "Wire", "Linux", "Reporting", "CFuse", "CGatherLoop", argumentParser, histogram,
      ]),

    // Tests and benches.
    cRoom("HeaderOracle", path: "Tests/HeaderOracle"),
    cProgram("faultdisk", links: "fuse3", path: "Tests/FaultDisk"),
    support("Support"),
    tests(
      "ProtocolTests",
      [
        "Wire", "VirtioProtocol", "VhostUserProtocol", "FuseProtocol", "BlockProtocol", "GPUProtocol", "InputProtocol",
        "WaylandProtocol", "HeaderOracle",
      ]),
    tests("LinuxTests", ["Linux", "Wire"]),
    tests("VirtioTests", ["Virtio", "VirtioProtocol", "Wire"]),
    tests(
      "VhostUserTests",
      ["VhostUser", "Virtio", "Linux", "Frontend", "VhostUserProtocol", "VirtioProtocol", "Wire"]),
    tests("FileSystemTests", ["FileSystem", "VhostUser", "Virtio", "Linux", "Frontend", "FuseProtocol", "Wire"]),
    tests(
      "BlockTests",
      [
        "Block", "IOUring", "VhostUser", "Virtio", "Linux", "Frontend", "BlockProtocol", "VhostUserProtocol",
        "VirtioProtocol", "Wire", "Support",
      ]),
    tests(
      "GraphicsTests",
      [
        "Graphics", "Displays", "VhostUser", "Linux", "Frontend", "GPUProtocol", "InputProtocol", "VhostUserProtocol",
        "VirtioProtocol", "Wire", "CZlib", "Support",
      ]),
    tests(
      "InputTests",
      [
        "Input", "VhostUser", "Virtio", "Linux", "Frontend", "InputProtocol", "VirtioProtocol", "Wire",
      ]),
    tests(
      "DaemonTests",
      [
        "Daemon", "Frontend", "Linux", "VhostUser", "Virtio", "VirtioProtocol", "BlockProtocol", "GPUProtocol",
        "VhostUserProtocol", "Wire", "CSeccomp", "Support",
      ]),
    tests(
      "Hostile",
      [
        "FileSystem", "Graphics", "Displays", "VhostUser", "Virtio", "Linux", "Frontend", "FuseProtocol", "GPUProtocol",
        "VhostUserProtocol", "VirtioProtocol", "Wire", "Support",
      ]),
    tests("Guests", ["Support"], exclude: ["rig", "posix", "volume", "blkio", "input", "desktop"]),
    tests("MartletTests", ["FuseProtocol", "VhostUser", "Virtio", "VirtioProtocol", "Linux", "Wire", "Support"]),
    tests("TidyTests", []),
    cRoom("CRingLoop", path: "Benchmarks/CRingLoop"),
    cRoom("CGatherLoop", path: "Benchmarks/CGatherLoop"),
    program(
      "bench-rings", ["Virtio", "VirtioProtocol", "Wire", "CRingLoop"], path: "Benchmarks/Rings",
      exclude: ["instructions"]),
  ]
)
