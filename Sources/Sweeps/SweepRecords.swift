internal import Reporting

/// The rows that a sweep has written before: what is done, and whether it was the same sweep.
public struct SweepRecords: Sendable {
  /// One row, as it lies in the file.
  public struct Record: Sendable {
    public var point: Int
    /// Points of the whole sweep.
    public var points: Int
    public var status: String
    public var tracePath: String
    public var traceChecksum: String
    public var planChecksum: String
    public var build: String
    /// The line with its line end.
    public var line: String
  }

  /// In the order of the file.
  public var records: [Record]

  /// Why the rows cannot be taken.
  public struct Problem: Error, Hashable, Sendable {
    public var message: String
  }

  /// Reads whole lines, the first of them the header.
  public init(text: String) throws(Problem) {
    records = []
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last == "" { lines.removeLast() }
    guard let header = lines.first else { return }
    guard header + "\n" == SweepTable.header else {
      throw Problem(message: "line 1: the columns are not those of this memlab's sweeps")
    }
    let places = Dictionary(uniqueKeysWithValues: SweepTable.columns.enumerated().map { ($1, $0) })
    for (index, line) in lines.enumerated().dropFirst() {
      records.append(try Self.record(String(line) + "\n", places, number: index + 1))
    }
    try checkOnce()
  }

  private static func record(
    _ line: String, _ places: [String: Int], number: Int
  ) throws(Problem) -> Record {
    let fields: [String]
    do throws(CSV.ReadingError) {
      fields = try CSV.records(line).first ?? []
    } catch {
      throw Problem(message: "line \(number): \(error.message)")
    }
    guard fields.count == places.count else {
      throw Problem(message: "line \(number): \(fields.count) fields, expected \(places.count)")
    }
    func field(_ name: String) -> String { places[name].map { fields[$0] } ?? "" }
    guard let point = Int(field("point")), let points = Int(field("points")), (0..<points).contains(point) else {
      throw Problem(message: "line \(number): point \(field("point")) of \(field("points")), expected one of them")
    }
    return Record(
      point: point, points: points, status: field("status"), tracePath: field("trace_path"),
      traceChecksum: field("trace_checksum"), planChecksum: field("plan_checksum"), build: field("build"), line: line)
  }

  private func checkOnce() throws(Problem) {
    var seen = Set<Int>()
    for record in records where !seen.insert(record.point).inserted {
      throw Problem(message: "point \(record.point) has two rows")
    }
  }

  /// Throws if a row is of another plan, or of a trace that has changed since.
  public func check(against sweep: Sweep) throws(Problem) {
    for record in records {
      if record.planChecksum != sweep.checksum {
        throw Problem(
          message: "made by another plan (\(record.planChecksum), this one is \(sweep.checksum)); give a new file")
      }
      let checksum = sweep.files[record.tracePath]?.checksum ?? ""
      if record.traceChecksum != checksum {
        throw Problem(
          message: "point \(record.point) replayed \(record.tracePath) when its checksum was \(record.traceChecksum), "
            + "now it is \(checksum); give a new file")
      }
    }
  }
}
