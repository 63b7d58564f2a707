import Glibc
import Machine
import MachineDescriptions
import Paging
import TraceFormat

/// One replay, in a process of its own, so that its peak memory is its own: `memlab-bench --measure MACHINE MODE TRACE`.
struct Measurement {
  /// What one replay came to.
  struct Result {
    var operations: UInt64
    var accesses: UInt64
    var seconds: Double
    /// Largest resident set of the process.
    var peakBytes: UInt64
  }

  private let machine: MachineDescription
  private let mode: Mode
  private let trace: String

  static func words(machine: String, mode: Mode, trace: String) -> [String] {
    ["--measure", machine, mode.rawValue, trace]
  }

  /// The measurement that this process was started for, if it was.
  static func requested(_ words: [String]) throws(BenchmarkError) -> Measurement? {
    guard words.count == 5, words[1] == "--measure", let mode = Mode(rawValue: words[3]) else { return nil }
    return Measurement(machine: try machine(named: words[2]), mode: mode, trace: words[4])
  }

  static func machine(named name: String) throws(BenchmarkError) -> MachineDescription {
    do throws(MachineError) {
      return try MachineFile(name).description()
    } catch {
      throw .usage(error.message)
    }
  }

  /// Replays, and says in one line of numbers what it came to.
  func line() throws(BenchmarkError) -> String {
    do {
      let result = try replay()
      return "\(result.operations) \(result.accesses) \(result.seconds) \(result.peakBytes)"
    } catch let error as TraceError {
      throw BenchmarkError(status: error.category.rawValue, message: error.description)
    } catch let error as ReplayError {
      throw BenchmarkError(status: 65, message: "\(trace): \(error)")
    } catch {
      throw .failed("\(trace): \(error)")
    }
  }

  /// Reads a line of ``line()``.
  static func result(of line: String) -> Result? {
    let words = line.split(whereSeparator: \.isWhitespace)
    guard words.count == 4, let operations = UInt64(words[0]), let accesses = UInt64(words[1]),
      let seconds = Double(words[2]), let peak = UInt64(words[3])
    else { return nil }
    return Result(operations: operations, accesses: accesses, seconds: seconds, peakBytes: peak)
  }

  private func replay() throws -> Result {
    var reader = try TraceReader(path: trace)
    let simulation = try Simulation(Configuration(mode: mode, machine: machine, guest: reader.header.guest))
    var batch = OperationBatch()
    let clock = ContinuousClock()
    let start = clock.now
    while try reader.read(into: &batch) { try simulation.replay(batch) }
    try simulation.finish()
    let time = (clock.now - start).components
    let counters = simulation.counters
    return Result(
      operations: counters.operations, accesses: counters.accesses,
      seconds: Double(time.seconds) + Double(time.attoseconds) * 1e-18, peakBytes: Self.peakBytes())
  }

  /// Of this process alone: the program that unpacks a trace has a memory of its own.
  private static func peakBytes() -> UInt64 {
    var usage = rusage()
    // SAFETY: the structure lives through the call.
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return UInt64(usage.ru_maxrss) * 1024
  }
}
