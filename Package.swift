// swift-tools-version: 6.2
import PackageDescription

// `STEMMA_STRICT=1` turns warnings into errors; `tools/check` and CI set it.
let strict: [SwiftSetting] = Context.environment["STEMMA_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

let house: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
  ] + strict

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "stemma",
  products: [.executable(name: "stemma", targets: ["Tool"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    // Foundations, bottom first. Each comment says what the target knows.
    // Hot loops over plain buffers.
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    // Strict reading and canonical writing of JSON text.
    .target(name: "JSON", swiftSettings: house),
    // Numbers: dtypes, shapes, loops, workers.
    .target(name: "Tensors", dependencies: ["CKernels"], swiftSettings: house),
    // Factors of matrices, found once and stored.
    .target(name: "LinearAlgebra", dependencies: ["Tensors"], swiftSettings: house),
    // Searches for the best of many numbers, and nothing of what they mean.
    .target(name: "Tuning", dependencies: ["Tensors"], swiftSettings: house),
    // Bytes: frames, packs, disks.
    .target(name: "Objects", dependencies: ["JSON", "CKernels", crypto, system], swiftSettings: house),
    // SQL text.
    .target(name: "Migrations", path: "migrations", resources: [.embedInCode("sql")], swiftSettings: house),

    // Specialists; none knows another.
    // Safetensors folders.
    .target(name: "Checkpoints", dependencies: ["JSON", "Tensors"], swiftSettings: house),
    // A block ↔ its coded bytes.
    .target(name: "Codecs", dependencies: ["CKernels", "Tensors", "CZstd"], swiftSettings: house),
    // Recipe → plan → blocks.
    .target(name: "Merging", dependencies: ["CKernels", "Tensors", yams, crypto], swiftSettings: house),
    // Facts in SQLite.
    .target(name: "Lineage", dependencies: ["Objects", "Migrations", grdb], swiftSettings: house),

    // The one room where numbers and bytes meet, and its door.
    .target(
      name: "ModelStore",
      dependencies: [
        "JSON", "Tensors", "LinearAlgebra", "Objects", "Checkpoints", "Codecs", "Merging", "Lineage", "Tuning", yams,
        log, crypto, system,
      ],
      swiftSettings: house),
    .executableTarget(name: "Tool", dependencies: ["ModelStore", "JSON", arguments], swiftSettings: house),

    // For `tools/bench codec`; nothing that users install needs it.
    .target(
      name: "CRivals", dependencies: ["CKernels"], path: "tools/codec-bench/CRivals",
      cSettings: [.unsafeFlags(["-O3"])]),
    .executableTarget(
      name: "CodecBench", dependencies: ["Codecs", "Checkpoints", "Tensors", "JSON", "CZstd", "CRivals"],
      path: "tools/codec-bench", exclude: ["CRivals"], swiftSettings: house),

    .target(
      name: "TestSupport", dependencies: ["JSON", "Tensors", "Objects", system], path: "Tests/TestSupport",
      swiftSettings: house),
    .testTarget(name: "JSONTests", dependencies: ["JSON", "TestSupport"], swiftSettings: house),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"], swiftSettings: house),
    .testTarget(name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "TestSupport"], swiftSettings: house),
    .testTarget(name: "TuningTests", dependencies: ["Tuning"], swiftSettings: house),
    .testTarget(name: "ObjectsTests", dependencies: ["Objects", "JSON", "TestSupport", crypto], swiftSettings: house),
    .testTarget(
      name: "CheckpointsTests", dependencies: ["Checkpoints", "JSON", "Tensors", "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "CodecsTests", dependencies: ["Codecs", "TestSupport"], exclude: ["Corpus"], swiftSettings: house),
    .testTarget(name: "MergingTests", dependencies: ["Merging", "TestSupport", crypto], swiftSettings: house),
    .testTarget(name: "LineageTests", dependencies: ["Lineage", "Objects", grdb, "TestSupport"], swiftSettings: house),
    .testTarget(
      name: "ModelStoreTests",
      dependencies: ["ModelStore", "Checkpoints", "Lineage", "Objects", "Tensors", "JSON", "TestSupport"],
      exclude: ["Format1", "Format2"], swiftSettings: house),
    .testTarget(name: "ToolTests", dependencies: ["Tool", "TestSupport"], swiftSettings: house),
    .testTarget(name: "HouseTests", dependencies: ["Migrations", crypto], swiftSettings: house),
  ],
  cxxLanguageStandard: .cxx17
)
