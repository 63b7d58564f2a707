import Machine

/// Runs of traces under several modes, and on several machines, beside the native run of the same trace on the same
/// machine.
public struct Comparison: Sendable {
  /// One trace on one machine.
  struct Group {
    var trace: String
    var machine: String
    var runs: [Run]
    var native: Run? { runs.first { $0.mode == .native } }
  }

  /// A cost with its share of all cycles.
  struct Cost {
    var item: Cycles.Item
    var cycles: UInt64
  }

  /// Costs that are named.
  static let namedCosts = 3

  let groups: [Group]

  /// Runs of one trace on one machine stand together, those on several machines one behind the other.
  public init(_ runs: [Run]) {
    var groups: [Group] = []
    for run in runs {
      if let last = groups.indices.last, groups[last].trace == run.trace, groups[last].machine == run.machine,
        !groups[last].runs.contains(where: { $0.mode == run.mode })
      {
        groups[last].runs.append(run)
      } else {
        groups.append(Group(trace: run.trace, machine: run.machine, runs: [run]))
      }
    }
    self.groups = groups
  }

  /// What most cycles went to, the largest first; nothing that cost nothing.
  static func largestCosts(_ counters: Counters) -> [Cost] {
    let costs = Cycles.items.map { Cost(item: $0, cycles: $0.value(counters.cycles)) }
    let sorted = costs.enumerated().sorted { ($1.element.cycles, $0.offset) < ($0.element.cycles, $1.offset) }
    return sorted.map(\.element).filter { $0.cycles > 0 }.prefix(namedCosts).map(\.self)
  }
}
