public import Workloads

/// What a point replays: a trace in a file, or the operations of a workload, made anew each time.
public enum SweepTrace: Hashable, Sendable {
  case file(String)
  case workload(Synthetic)

  /// A workload with what was chosen.
  public struct Synthetic: Hashable, Sendable {
    public var name: String
    /// Keys and their values as the plan writes them, in the order of the names.
    public var settings: [SweepPoint.Setting]
    public var seed: UInt64

    /// Its operations from the first on; nil if there is no such workload or a key does not take its value.
    public var stream: WorkloadStream? {
      guard let workload = Workload.named(name) else { return nil }
      var values: [String: UInt64] = [:]
      for setting in settings {
        guard let value = try? workload.value(setting.value, of: setting.key) else { return nil }
        values[setting.key] = value
      }
      return workload.stream(values, seed: seed)
    }

    fileprivate var words: [String] { settings.map { "\($0.key)=\($0.value)" } }
  }

  /// Where it is from: the file, or the words that make `memlab generate` write it.
  public var path: String {
    switch self {
    case .file(let path): path
    case .workload(let workload):
      (["generate", workload.name] + workload.words.flatMap { ["--set", $0] } + ["--seed", String(workload.seed)])
        .joined(separator: " ")
    }
  }

  /// The name in reports: the file's without folder and extension, or the workload's with what was chosen.
  public var name: String {
    switch self {
    case .file(let path): Self.name(ofFile: path)
    case .workload(let workload):
      ([workload.name] + workload.words + (workload.seed == 1 ? [] : ["seed=\(workload.seed)"])).joined(separator: " ")
    }
  }

  /// A file's name without folders and the extensions of traces.
  public static func name(ofFile path: String) -> String {
    var name = path.split(separator: "/").last.map(String.init) ?? path
    for ending in [".gz", ".xz", ".zst", ".mlt", ".bin", ".txt"] where name.hasSuffix(ending) && name != ending {
      name.removeLast(ending.count)
    }
    return name
  }
}
