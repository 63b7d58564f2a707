// swift-tools-version: 6.2
import PackageDescription

/// A package of its own, since a fuzz target has no `main` and cannot be linked with the rest. Its library targets are
/// links to the sources of the package above.
///
///     swift build -c release --sanitize=fuzzer --sanitize=address
///     SWIFT_BACKTRACE=enable=no .build/release/FuzzTraceFormat -max_len=4096 corpus/
let package = Package(
  name: "Fuzz",
  targets: [
    .target(name: "Paging"),
    .target(name: "TraceFormat", dependencies: ["Paging"]),
    .executableTarget(
      name: "FuzzTraceFormat", dependencies: ["Paging", "TraceFormat"],
      swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
  ],
  swiftLanguageModes: [.v6]
)
