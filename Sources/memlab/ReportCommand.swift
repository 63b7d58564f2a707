import Reporting

/// `memlab report`: a page of CSV files.
struct ReportCommand {
  private let inputs: [String]
  private let output: String

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(words, options: [.value("-o")])
    inputs = try arguments.operands(1...Int.max - 1, "the CSV files of replays, sweeps and series")
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the page to write") }
    self.output = output
  }

  func run() throws(Failure) -> Int32 {
    var tables: [ReportTable] = []
    for path in inputs {
      let text = try FileText.text(path)
      do throws(CSV.ReadingError) {
        tables.append(try ReportTable(name: path, text: text))
      } catch {
        throw Failure(.badData, "\(path): line \(error.line): \(error.message)")
      }
    }
    let file = try OutputFile(output, sparing: inputs)
    try file.write(ReportPage(tables, version: Command.version).html)
    try file.commit()
    return 0
  }
}
