internal import MachineDescriptions
internal import Workloads

extension SweepPlan {
  /// The traces: a file each, or an object with `workload`, and perhaps `keys` and `seeds`, for every combination.
  static func traces(_ value: JSONValue?) throws(PlanError) -> [SweepTrace] {
    guard let value else { throw PlanError("traces is missing: a list of files and workloads") }
    let elements: [JSONValue] = if case .array(let elements) = value { elements } else { [value] }
    if elements.isEmpty { throw PlanError("traces: the list is empty") }
    var traces: [SweepTrace] = []
    for element in elements {
      switch element {
      case .object(let members): traces += try workloads(members)
      case .string: traces += try texts(element, "traces").map { .file($0) }
      default: throw PlanError("traces: expected a file or an object with workload, found \(element.text)")
      }
    }
    for (index, trace) in traces.enumerated() where traces[..<index].contains(trace) {
      throw PlanError("traces: '\(trace.path)' is listed twice")
    }
    return traces
  }

  private static func workloads(_ members: [String: JSONValue]) throws(PlanError) -> [SweepTrace] {
    if let extra = members.keys.sorted().first(where: { !["workload", "keys", "seeds"].contains($0) }) {
      throw PlanError("traces: \(extra): no such key; expected workload, keys, seeds")
    }
    let names = Workload.all.map(\.name).joined(separator: ", ")
    guard case .string(let name)? = members["workload"], let workload = Workload.named(name) else {
      throw PlanError("traces: no workload '\(members["workload"]?.text ?? "")'; there are \(names)")
    }
    var seeds: [UInt64] = [1]
    if let value = members["seeds"] {
      let elements: [JSONValue] = if case .array(let elements) = value { elements } else { [value] }
      seeds = []
      for element in elements { seeds.append(try number(element, "traces: \(name): seeds", from: 0)) }
    }
    var choices: [[SweepPoint.Setting]] = [[]]
    for axis in try axes(members["keys"], of: workload) {
      choices = choices.flatMap { before in
        axis.values.map { before + [SweepPoint.Setting(key: axis.key, value: $0)] }
      }
    }
    return choices.flatMap { settings in
      seeds.map { .workload(SweepTrace.Synthetic(name: name, settings: settings, seed: $0)) }
    }
  }

  /// The keys of a workload, every value one that it takes.
  private static func axes(_ value: JSONValue?, of workload: Workload) throws(PlanError) -> [Axis] {
    let place = "traces: \(workload.name)"
    guard let value else { return [] }
    guard case .object(let members) = value else { throw PlanError("\(place): keys: expected an object") }
    var axes: [Axis] = []
    for (key, values) in members.sorted(by: { $0.key < $1.key }) {
      let texts = try texts(values, "\(place): \(key)")
      for text in texts {
        do throws(WorkloadError) {
          _ = try workload.value(text, of: key)
        } catch {
          switch error {
          case .unknownKey:
            let keys = workload.keys.map(\.name).joined(separator: ", ")
            throw PlanError("\(place): no key '\(key)'; there are \(keys)")
          case .badValue(let expected): throw PlanError("\(place): \(key)=\(text): expected \(expected)")
          }
        }
      }
      axes.append(Axis(key: key, values: texts))
    }
    return axes
  }
}
