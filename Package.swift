// swift-tools-version: 6.2
import PackageDescription

/// `swift run` and `swift test` build in the debug configuration, in which a replay is 13 to 100 times slower. memlab is
/// a tool that people start with `swift run`, so its libraries are optimised there too. `MEMLAB_PLAIN_DEBUG=1` switches
/// that off: assertions then speak, and a debugger shows every variable.
let optimizeDebug: [SwiftSetting] =
  Context.environment["MEMLAB_PLAIN_DEBUG"] == nil
  ? [.unsafeFlags(["-O", "-whole-module-optimization", "-num-threads", "2"], .when(configuration: .debug))]
  : []

let strict: [SwiftSetting] =
  [
    .strictMemorySafety(), .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
  ] + optimizeDebug

let testing: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "memlab",
  products: [
    .executable(name: "memlab", targets: ["memlab"]),
    .executable(name: "memlab-bench", targets: ["memlab-bench"]),
  ],
  targets: [
    .target(name: "Paging", swiftSettings: strict),
    .target(name: "TraceFormat", dependencies: ["Paging"], swiftSettings: strict),
    .target(name: "Workloads", dependencies: ["Paging"], swiftSettings: strict),
    .target(name: "Machine", dependencies: ["Paging"], swiftSettings: strict),
    .target(
      name: "MachineDescriptions", dependencies: ["Machine"],
      resources: [.embedInCode("Machines")], swiftSettings: strict),
    .target(
      name: "Reproductions", dependencies: ["Paging", "Machine", "MachineDescriptions", "Workloads"],
      swiftSettings: strict),
    .target(name: "Reporting", dependencies: ["Machine"], swiftSettings: strict),
    .target(
      name: "Sweeps", dependencies: ["Machine", "MachineDescriptions", "Workloads", "Reporting"], swiftSettings: strict),
    .executableTarget(
      name: "memlab",
      dependencies: [
        "Paging", "TraceFormat", "Workloads", "Machine", "MachineDescriptions", "Reproductions", "Reporting", "Sweeps",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "memlab-bench", dependencies: ["Paging", "TraceFormat", "Machine", "MachineDescriptions"],
      swiftSettings: strict),
    .testTarget(name: "PagingTests", dependencies: ["Paging"], swiftSettings: testing),
    .testTarget(name: "TraceFormatTests", dependencies: ["TraceFormat", "Paging"], swiftSettings: testing),
    .testTarget(name: "WorkloadsTests", dependencies: ["Workloads", "Paging"], swiftSettings: testing),
    .testTarget(name: "MachineTests", dependencies: ["Machine", "Paging"], swiftSettings: testing),
    .testTarget(name: "ReproductionsTests", dependencies: ["Reproductions"], swiftSettings: testing),
    .testTarget(
      name: "MachineDescriptionsTests", dependencies: ["MachineDescriptions", "Machine", "Paging"],
      swiftSettings: testing),
    .testTarget(name: "ReportingTests", dependencies: ["Reporting", "Machine", "Paging"], swiftSettings: testing),
    .testTarget(
      name: "SweepsTests", dependencies: ["Sweeps", "Reporting", "Machine"], swiftSettings: testing),
    .testTarget(
      name: "RegressionTests",
      dependencies: ["Machine", "MachineDescriptions", "Reporting", "TraceFormat", "Paging", "Workloads"],
      exclude: ["Goldens"], swiftSettings: testing),
    .testTarget(name: "CommandTests", dependencies: ["memlab"], swiftSettings: testing),
  ],
  swiftLanguageModes: [.v6]
)
