import Glibc
import Paging
import TraceFormat

/// `memlab record`: a program's accesses and memory calls, straight into a trace.
struct RecordCommand {
  private let output: String
  private let target: TraceSpelling
  private let program: [String]

  init(_ words: [String]) throws(Failure) {
    guard let end = words.firstIndex(of: "--"), end + 1 < words.count else {
      throw Failure(.usage, "expected -- and a program behind the options")
    }
    let arguments = try Arguments(Array(words[..<end]), options: [.value("-o"), .value("--to")])
    _ = try arguments.operands(0...0, "no operand before --")
    guard let output = arguments.value("-o") else { throw Failure(.usage, "expected -o FILE, the trace to write") }
    self.output = output
    target = try ConvertCommand.target(arguments.value("--to"), output: output)
    program = Array(words[(end + 1)...])
  }

  /// The exit status is the program's.
  func run() throws(Failure) -> Int32 {
    do throws(TraceError) {
      let recording = try ProgramRecording(program)
      let path = OutputFile.isStandardOutput(output) ? "-" : output
      var writer = try TraceWriter(path: path, format: target, header: recording.header)
      let operations = try copy(recording, to: &writer)
      let status = recording.wait()
      guard operations > 0 || Cancellation.isOn else {
        throw TraceError(.noInput, file: program[0], "was not run by valgrind, which ended with status \(status)")
      }
      try writer.finish()
      if Cancellation.isOn {
        Output.complain("memlab: \(output): recording was interrupted; it holds \(operations) operations\n")
        return Failure.Status.interrupted.rawValue
      }
      return status
    } catch {
      throw Failure(error)
    }
  }

  /// After a signal the program is told to end too, and what it has said until then belongs to the trace.
  private func copy(_ recording: ProgramRecording, to writer: inout TraceWriter) throws(TraceError) -> UInt64 {
    var batch = OperationBatch()
    var operations: UInt64 = 0
    var interrupted: ContinuousClock.Instant?
    while try recording.read(into: &batch) {
      try writer.append(batch)
      operations += UInt64(batch.count)
      guard Cancellation.isOn else { continue }
      if let since = interrupted {
        if ContinuousClock.now - since > .seconds(2) { break }
      } else {
        interrupted = .now
        recording.signal(SIGTERM)
      }
    }
    if interrupted != nil { recording.signal(SIGKILL) }
    return operations
  }
}
