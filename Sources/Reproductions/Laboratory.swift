internal import Machine
internal import MachineDescriptions
internal import Paging
internal import Workloads

/// Where reproductions run their workloads.
struct Laboratory: Sendable {
  let seed: UInt64

  /// A workload with values of its keys.
  struct Load {
    var name: String
    var values: [String: UInt64]

    init(_ name: String, _ values: [String: UInt64] = [:]) { (self.name, self.values) = (name, values) }

    static func uniform(_ mebibytes: UInt64, _ accesses: UInt64, _ more: [String: UInt64] = [:]) -> Load {
      let values: [String: UInt64] = ["footprint": mebibytes, "accesses": accesses]
      return Load("uniform-random", values.merging(more) { $1 })
    }
  }

  /// Replays a workload; `changes` are as of `--set`. A guest that was shown something wrong is an error.
  func run(_ load: Load, _ mode: Mode, on machine: String, _ changes: [String] = []) throws -> Counters {
    guard let workload = Workload.named(load.name) else { preconditionFailure("no workload \(load.name)") }
    var stream = workload.stream(load.values, seed: seed)
    var configuration = try Self.configuration(mode, machine, changes, stream.header.guest)
    configuration.recordsEvents = false
    let simulation = try Simulation(configuration)
    var batch = OperationBatch()
    while stream.read(into: &batch) { try simulation.replay(batch) }
    try simulation.finish()
    let counters = simulation.counters
    precondition(counters.divergences == 0, "\(load.name) under \(mode.rawValue): divergences")
    return counters
  }

  private static func configuration(
    _ mode: Mode, _ machine: String, _ changes: [String], _ guest: TraceHeader.Guest
  ) throws -> Configuration {
    var file = try MachineFile(named: machine)
    var settings = Settings()
    for change in changes {
      let parts = change.split(separator: "=", maxSplits: 1).map(String.init)
      if Settings.keys.contains(where: { $0.name == parts[0] }) {
        let problem = settings.set(parts[0], to: parts[1])
        precondition(problem == nil, "\(change): \(problem ?? "")")
      } else {
        try file.set(parts[0], to: parts[1])
      }
    }
    var configuration = Configuration(mode: mode, machine: try file.description(), guest: guest)
    configuration.settings = settings
    return configuration
  }
}

extension Counters {
  var referencesAWalk: Double { Double(walkReferences) / Double(walks) }
  var cyclesAnAccess: Double { Double(cyclesTotal) / Double(accesses) }
  /// Cycles of a walk, the hits of the second TLB level left out.
  var cyclesAWalk: Double { Double(cycles.walk + cycles.nestedWalk) / Double(walks) }
}

/// 1 if something holds, 0 if not: figures that are orders.
func holds(_ condition: Bool) -> Double { condition ? 1 : 0 }
