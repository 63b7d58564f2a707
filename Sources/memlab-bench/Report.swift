import Glibc
import Machine

/// All the results of one trace under one mode.
struct Series {
  var trace: String
  var mode: Mode
  var results: [Measurement.Result] = []

  var seconds: Double { median(results.map(\.seconds)) }
  var operationsPerSecond: Double { median(results.map { Double($0.operations) / max($0.seconds, 1e-9) }) }
  var accessesPerSecond: Double { median(results.map { Double($0.accesses) / max($0.seconds, 1e-9) }) }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// The figures of a benchmark as JSON.
struct Report {
  var machine: String
  var rounds: Int
  var series: [Series]
  /// Accesses a second of the yardstick, by trace and round.
  var yardsticks: [String: [Double]]

  func json() -> String {
    let rows = series.map { "    " + row($0) }.joined(separator: ",\n")
    return "{\n  \"machine\": \(quoted(machine)),\n  \"rounds\": \(rounds),\n  \"results\": [\n\(rows)\n  ]\n}"
  }

  private func row(_ row: Series) -> String {
    var fields = [
      "\"trace\": \(quoted(row.trace))", "\"mode\": \(quoted(row.mode.rawValue))",
      "\"operations\": \(row.results.first?.operations ?? 0)", "\"accesses\": \(row.results.first?.accesses ?? 0)",
      "\"seconds\": \(rounded(row.seconds, 6))", "\"operations_per_second\": \(rounded(row.operationsPerSecond, 0))",
      "\"accesses_per_second\": \(rounded(row.accessesPerSecond, 0))",
      "\"peak_memory_bytes\": \(row.results.map(\.peakBytes).max() ?? 0)",
    ]
    if let native = series.first(where: { $0.trace == row.trace && $0.mode == .native }) {
      fields.append("\"time_to_native\": \(ratio(row, native))")
    }
    if let speeds = yardsticks[row.trace] {
      fields.append("\"yardstick_accesses_per_second\": \(rounded(median(speeds), 0))")
      fields.append("\"speed_to_yardstick\": \(ratio(row, toYardstick: speeds))")
    }
    return "{" + fields.joined(separator: ", ") + "}"
  }

  /// Median of the rounds' ratios of time: what disturbs a round disturbs both.
  private func ratio(_ row: Series, _ native: Series) -> String {
    rounded(median(zip(row.results, native.results).map { $0.seconds / max($1.seconds, 1e-9) }), 3)
  }

  private func ratio(_ row: Series, toYardstick speeds: [Double]) -> String {
    let ratios = zip(row.results, speeds).map { Double($0.accesses) / max($0.seconds, 1e-9) / max($1, 1e-9) }
    return rounded(median(ratios), 3)
  }

  private func rounded(_ value: Double, _ digits: Int) -> String {
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let number = (value * scale).rounded() / scale
    return digits == 0 ? String(UInt64(number)) : String(number)
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\" + String(scalar)
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
