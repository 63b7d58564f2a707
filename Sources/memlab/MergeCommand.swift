import Sweeps

/// `memlab merge`: puts the files of a sweep's shards together.
struct MergeCommand {
  private let inputs: [String]
  private let output: String
  private let allowsMissing: Bool

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("-o"), .flag("--partial")])
    inputs = try arguments.operands(1...Int.max - 1, "the CSV files of a sweep's shards")
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the CSV to write") }
    self.output = output
    allowsMissing = arguments.has("--partial")
  }

  func run() throws(Failure) -> Int32 {
    var files: [(name: String, records: SweepRecords)] = []
    for path in inputs {
      let text = try FileText.text(path)
      // A shard may be running still: its last line may be half there.
      let whole = text.utf8.lastIndex(of: UInt8(ascii: "\n")).map { String(text[...$0]) } ?? ""
      do throws(SweepRecords.Problem) {
        files.append((path, try SweepRecords(text: whole)))
      } catch {
        throw Failure(.badData, "\(path): \(error.message)")
      }
    }
    let merged: (text: String, missing: [Int])
    do throws(SweepRecords.Problem) {
      merged = try SweepMerge.merge(files)
    } catch {
      throw Failure(.badData, error.message)
    }
    try tell(merged.missing)
    let file = try OutputFile(output, sparing: inputs)
    try file.write(merged.text)
    try file.commit()
    return 0
  }

  /// Points without a row are a mistake unless they were expected.
  private func tell(_ missing: [Int]) throws(Failure) {
    if missing.isEmpty { return }
    let list = missing.prefix(5).map(String.init).joined(separator: ", ") + (missing.count > 5 ? ", …" : "")
    let message = "no row of \(missing.count) point\(missing.count == 1 ? "" : "s"): \(list)"
    if !allowsMissing { throw Failure(.badData, message + "; --partial merges all the same") }
    Output.complain("memlab: \(message)\n")
  }
}
