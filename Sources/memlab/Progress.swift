import Glibc
import Reporting
import Synchronization

/// How far the runs have come, shown on one line of standard error that is written again and again.
final class Progress: Sendable {
  private struct State {
    var operations: [UInt64]
    /// Share of the trace that a run has behind it, nil if nobody knows.
    var fractions: [Double?]
    var isShown = false
    var isFinished = false
  }

  private let state: Mutex<State>
  private let start = ContinuousClock.now
  /// What the passes are called, in the plural, if they are to be counted.
  private let unit: String?

  /// A line for so many passes; without `isVisible` nothing is ever shown.
  init(passes: Int, isVisible: Bool, unit: String? = nil) {
    self.unit = unit
    state = Mutex(State(operations: Array(repeating: 0, count: passes), fractions: Array(repeating: 0, count: passes)))
    guard isVisible else { return }
    Threads.detach { [self] in
      while state.withLock({ !$0.isFinished }) {
        usleep(200_000)
        show()
      }
    }
  }

  /// People look at it: standard error is a terminal.
  static var hasAudience: Bool { isatty(Output.standardError) != 0 }

  func update(pass: Int, operations: UInt64, fraction: Double?) {
    state.withLock {
      $0.operations[pass] = operations
      $0.fractions[pass] = fraction
    }
  }

  /// Wipes the line away.
  func finish() {
    state.withLock {
      if $0.isShown { Output.complain("\r\u{1b}[K") }
      $0.isFinished = true
    }
  }

  private func show() {
    let seconds = (ContinuousClock.now - start).seconds
    state.withLock { state in
      if state.isFinished { return }
      let counted = unit.map { unit in
        "\(state.fractions.count { $0 == 1 }) of \(state.fractions.count) \(unit)   "
      }
      Output.complain(
        "\r" + (counted ?? "") + Self.line(state.operations, state.fractions, seconds: seconds) + "\u{1b}[K")
      state.isShown = true
    }
  }

  /// `42 %   31.5 M operations/s   0:07 left`; without a known share the operations so far.
  static func line(_ operations: [UInt64], _ fractions: [Double?], seconds: Double) -> String {
    let total = operations.reduce(0, +)
    let rate = Decimal.fixed(Double(total) / max(seconds, 0.001) / 1_000_000, digits: 1) + " M operations/s"
    let known = fractions.compactMap(\.self)
    guard known.count == fractions.count, !known.isEmpty else { return "\(Decimal.grouped(total))   \(rate)" }
    let share = known.reduce(0, +) / Double(known.count)
    let percent = Decimal.fixed(100 * share, digits: 0) + " %   " + rate
    guard share > 0.001 else { return percent }
    let left = Int((seconds * (1 - share) / share).rounded())
    return percent + "   \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
  }
}

extension Duration {
  /// In seconds, with their fraction.
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
