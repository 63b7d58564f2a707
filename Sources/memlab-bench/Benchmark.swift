import Glibc
import Machine
import MachineDescriptions

/// Speed and memory of replays, in interleaved rounds: round r runs every trace under every mode once, so that a slow
/// minute of the computer falls on all of them.
struct Benchmark {
  static let help = """
    memlab-bench TRACE… [--mode M[,M…]|all] [--machine NAME|FILE] [--rounds N] [--yardstick PROGRAM]

    Measures operations a second and peak memory of replays in N interleaved rounds (default 5), each replay in a process
    of its own, and writes medians and ratios as JSON on standard output. Default: all modes on skylake.

      --yardstick PROGRAM   run `PROGRAM TRACE 1` in each round too; it prints `N million accesses a second`. Ratios to
                            it compare accesses a second
    """

  private var traces: [String] = []
  private var modes = Mode.allCases
  private var machine = MachineFile.defaultName
  private var rounds = 5
  private var yardstick: String?

  init(_ words: [String]) throws(BenchmarkError) {
    if !Self.isOptimised {
      throw .usage("built without optimisation, its figures would mean nothing: build without MEMLAB_PLAIN_DEBUG")
    }
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--help" || word == "-h" {
        print(Self.help)
        exit(0)
      }
      guard word.hasPrefix("--") else {
        traces.append(word)
        continue
      }
      guard let value = rest.popFirst() else { throw .usage("\(word) needs a value behind it, or is unknown") }
      try set(word, value)
    }
    if traces.isEmpty { throw .usage("expected a trace; see memlab-bench --help") }
    _ = try Measurement.machine(named: machine)
  }

  private mutating func set(_ option: String, _ value: String) throws(BenchmarkError) {
    switch option {
    case "--mode":
      if value == "all" { return }
      modes = []
      for name in value.split(separator: ",") {
        guard let mode = Mode(rawValue: String(name)) else {
          throw .usage("no mode '\(name)'; there are \(Mode.allCases.map(\.rawValue).joined(separator: ", ")), all")
        }
        modes.append(mode)
      }
    case "--machine": machine = value
    case "--rounds":
      guard let number = Int(value), number > 0 else { throw .usage("--rounds \(value): expected 1 or more") }
      rounds = number
    case "--yardstick": yardstick = value
    default: throw .usage("no option '\(option)'; there are --mode, --machine, --rounds, --yardstick")
    }
  }

  /// Asserts speak in code that was not optimised, and in no other. With `swift build` that is so under
  /// MEMLAB_PLAIN_DEBUG=1 only, since this package optimises its debug configuration too.
  private static var isOptimised: Bool { !_isDebugAssertConfiguration() }

  /// Measures, and writes the report.
  func run() throws(BenchmarkError) {
    var series = traces.flatMap { trace in modes.map { Series(trace: trace, mode: $0) } }
    var yardsticks = [String: [Double]]()
    for round in 1...rounds {
      perrorLine("round \(round) of \(rounds)")
      for index in series.indices {
        series[index].results.append(try measure(series[index].trace, series[index].mode))
      }
      guard let yardstick else { continue }
      for trace in traces { yardsticks[trace, default: []].append(try Self.speed(of: yardstick, on: trace)) }
    }
    print(Report(machine: machine, rounds: rounds, series: series, yardsticks: yardsticks).json())
  }

  private func measure(_ trace: String, _ mode: Mode) throws(BenchmarkError) -> Measurement.Result {
    let words = Measurement.words(machine: machine, mode: mode, trace: trace)
    let line = try ChildProcess.output(of: ChildProcess.itself, words)
    guard let result = Measurement.result(of: line) else { throw .failed("\(trace): no result in '\(line)'") }
    return result
  }

  /// Accesses a second that an outside program states.
  private static func speed(of program: String, on trace: String) throws(BenchmarkError) -> Double {
    let text = try ChildProcess.output(of: program, [trace, "1"])
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let unit = words.firstIndex(of: "million"), unit > 0, let speed = Double(words[unit - 1]) else {
      throw BenchmarkError(status: 65, message: "\(program): expected a line 'N million accesses a second'")
    }
    return speed * 1e6
  }
}
