import Sweeps
import TraceFormat

/// `memlab sweep`: what is asked for.
struct SweepCommand {
  let planPath: String
  let plan: SweepPlan
  private let output: String?
  let jobs: Int
  let shard: SweepShard
  let isQuiet: Bool
  private let slurmFolder: String?
  private let shards: Int?
  private let lists: Bool

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("-o"), .value("--jobs"), .value("--shard"), .flag("--quiet"), .value("--slurm"), .value("--shards"),
        .flag("--list"),
      ])
    planPath = try arguments.operands(1...1, "one plan; see `memlab help sweep`")[0]
    output = arguments.value("-o")
    jobs = Int(clamping: try arguments.count("--jobs") ?? UInt64(Threads.available))
    isQuiet = arguments.has("--quiet")
    slurmFolder = arguments.value("--slurm")
    shards = try arguments.count("--shards").map { Int(clamping: $0) }
    lists = arguments.has("--list")
    if let text = arguments.value("--shard") {
      guard let shard = SweepShard(text) else {
        throw Failure(.usage, "--shard \(text): expected I/N, a shard from 1 to N and their number")
      }
      self.shard = shard
    } else {
      shard = .whole
    }
    let count = [output, slurmFolder, lists ? "" : nil].count { $0 != nil }
    if count != 1 { throw Failure(.usage, "expected one of -o FILE, --slurm FOLDER, --list") }
    if shards != nil && slurmFolder == nil { throw Failure(.usage, "--shards needs --slurm FOLDER") }
    plan = try Self.plan(planPath)
  }

  private static func plan(_ path: String) throws(Failure) -> SweepPlan {
    let text = try FileText.bytes(path, upTo: 16 << 20)
    do throws(PlanError) {
      return try SweepPlan(text: text)
    } catch {
      throw Failure(.badData, "\(path): \(error.message)")
    }
  }

  func run() throws(Failure) -> Int32 {
    if lists { return try list() }
    if let slurmFolder {
      let points = plan.points.count
      let job = SlurmJob(command: self, folder: slurmFolder, shards: min(shards ?? 16, points))
      return try job.write()
    }
    return try replay(into: output ?? "")
  }

  private func list() throws(Failure) -> Int32 {
    let points = plan.points.filter(shard.contains)
    try Output.print(points.map { "\($0.number) \($0.summary)\n" }.joined())
    return 0
  }
}
