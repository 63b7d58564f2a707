internal import Machine
internal import MachineDescriptions

extension SweepPlan {
  /// What can be known to be wrong before anything runs. A figure that one machine has and another has not, or a value
  /// that some figures refuse, is for the point to say.
  func validate() throws(PlanError) {
    var files: [MachineFile] = []
    for machine in machines {
      do throws(MachineError) {
        files.append(try MachineFile(machine))
      } catch {
        throw PlanError("machines: \(error.message)")
      }
    }
    for axis in axes { try validate(axis, files) }
    guard let combinations, combinations <= Self.pointLimit else {
      throw PlanError("more than \(Self.pointLimit) points")
    }
    if points.isEmpty { throw PlanError("exclude leaves no point") }
  }

  private func validate(_ axis: Axis, _ files: [MachineFile]) throws(PlanError) {
    if Settings.keys.contains(where: { $0.name == axis.key }) {
      for value in axis.values {
        var settings = Settings()
        if let problem = settings.set(axis.key, to: value) { throw PlanError("keys: \(axis.key)=\(value): \(problem)") }
      }
    } else if !files.contains(where: { file in file.figures.contains { $0.path == axis.key } }) {
      throw PlanError("keys: no key '\(axis.key)'; `memlab modes` and `memlab machines NAME` list them")
    }
  }

  /// What the machines are made of, as one text: two sweeps with other figures under one name are not the same sweep.
  public var machinesText: String {
    var text = ""
    for machine in machines {
      guard let file = try? MachineFile(machine) else { continue }
      text += "machine \(machine)\n"
      for figure in file.figures { text += "\(figure.path)=\(figure.value)\n" }
    }
    return text
  }
}
