import Foundation
import Machine
import MachineDescriptions
import Paging
import Reporting
import TraceFormat

/// The traces of the package, and what a replay of one needs.
enum Traces {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("traces")

  /// File names with an extension, in order.
  static func names(_ suffix: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(suffix) }.sorted()
  }

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
}

/// What came of one replay.
struct Outcome {
  var counters: Counters
  var divergences: [Divergence]
  var tables: [UInt64: UInt64]
  var events: [Event]
}

/// Replays a trace of the package, with all checks unless told otherwise.
func replay(
  _ name: String, _ mode: Mode, machine: String = "skylake", settings: [String] = [], checks: Bool = true
) throws -> Outcome {
  var reader = try TraceReader(path: Traces.path(name))
  var configuration = Configuration(
    mode: mode, machine: try MachineFile(named: machine).description(), guest: reader.header.guest)
  configuration.checks = checks
  configuration.recordsEvents = true
  for setting in settings {
    let parts = setting.split(separator: "=").map(String.init)
    if let problem = configuration.settings.set(parts[0], to: parts[1]) { throw BadSetting(problem: problem) }
  }
  let simulation = try Simulation(configuration)
  var batch = OperationBatch()
  var events: [Event] = []
  while try reader.read(into: &batch) {
    try simulation.replay(batch)
    events += simulation.takeEvents()
  }
  try simulation.finish()
  return Outcome(
    counters: simulation.counters, divergences: simulation.divergences, tables: simulation.guestTables(),
    events: events)
}

struct BadSetting: Error {
  var problem: String
}
