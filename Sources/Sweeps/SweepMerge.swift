/// Puts the rows of several shards together.
public enum SweepMerge {
  /// The lines of all files in the order of the plan, header first, and the points that no file has.
  public static func merge(
    _ files: [(name: String, records: SweepRecords)]
  ) throws(SweepRecords.Problem) -> (text: String, missing: [Int]) {
    guard let first = files.first(where: { !$0.records.records.isEmpty }), let example = first.records.records.first
    else { throw SweepRecords.Problem(message: "no rows in \(files.map(\.name).joined(separator: ", "))") }
    var lines: [Int: (line: String, name: String)] = [:]
    var checksums: [String: String] = [:]
    for (name, records) in files {
      for record in records.records {
        guard record.planChecksum == example.planChecksum, record.points == example.points else {
          throw SweepRecords.Problem(
            message: "\(name): its plan is \(record.planChecksum), that of \(first.name) \(example.planChecksum)")
        }
        if let other = lines[record.point] {
          throw SweepRecords.Problem(message: "point \(record.point) is in \(other.name) and in \(name)")
        }
        guard checksums[record.tracePath, default: record.traceChecksum] == record.traceChecksum else {
          throw SweepRecords.Problem(
            message: "\(name): \(record.tracePath) has checksum \(record.traceChecksum), another row has "
              + (checksums[record.tracePath] ?? ""))
        }
        checksums[record.tracePath] = record.traceChecksum
        lines[record.point] = (record.line, name)
      }
    }
    let all = 0..<example.points
    return (SweepTable.header + all.compactMap { lines[$0]?.line }.joined(), all.filter { lines[$0] == nil })
  }
}
