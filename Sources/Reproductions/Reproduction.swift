/// A published result that memlab runs again: what was claimed, with what it is tried, and which figures must come out.
///
/// The accepted range of each figure is written down here, before the run; a figure that misses it is told as missed, with the
/// reason as far as it is known.
public struct Reproduction: Sendable {
  public let name: String
  /// The claim, in a sentence.
  public let claim: String
  /// Paper, figure or table.
  public let source: String
  /// Workload and machine, in a sentence or two.
  public let setup: String
  /// What the reader should know about the comparison; empty if nothing.
  public let remark: String
  let targets: [Target]
  /// Runs it; one value a target, in their order.
  let measure: @Sendable (Laboratory) throws -> [Double]

  init(
    _ name: String, claim: String, source: String, setup: String, remark: String = "", targets: [Target],
    measure: @escaping @Sendable (Laboratory) throws -> [Double]
  ) {
    (self.name, self.claim, self.source) = (name, claim, source)
    (self.setup, self.remark, self.targets, self.measure) = (setup, remark, targets, measure)
  }

  /// All of them.
  public static let all: [Reproduction] = [
    walkArithmetic, pageWalkCaches, nestedWalkCycles, crossover, populateThenRun, processCreation, nanobenchmarks,
    largePages,
  ]

  public static func named(_ name: String) -> Reproduction? { all.first { $0.name == name } }

  /// Runs it. `seed` is that of the workloads; throws what a replay throws.
  public func run(seed: UInt64 = 1) throws -> [Figure] {
    let values = try measure(Laboratory(seed: seed))
    precondition(values.count == targets.count, "\(name): \(values.count) values for \(targets.count) figures")
    return zip(targets, values).map { Figure(target: $0, measured: $1) }
  }
}

/// A figure that is expected.
struct Target: Sendable {
  var label: String
  var unit: String
  /// As it was published; empty: the papers give no figure for it, only what must come out.
  var published: String
  /// What is accepted, decided beforehand.
  var accepted: ClosedRange<Double>
  /// Why it is missed, if it is known to be.
  var reason = ""

  init(_ label: String, _ unit: String, _ published: String, in accepted: ClosedRange<Double>, reason: String = "") {
    (self.label, self.unit, self.published) = (label, unit, published)
    (self.accepted, self.reason) = (accepted, reason)
  }

  /// One that must come out to the last digit.
  static func exactly(_ label: String, _ unit: String, _ published: Double) -> Target {
    Target(label, unit, String(Int(published)), in: published...published)
  }

  /// One that may be off by a share of what was published.
  static func about(
    _ label: String, _ unit: String, _ published: Double, within share: Double, reason: String = ""
  ) -> Target {
    let range = published * (1 - share)...published * (1 + share)
    return Target(label, unit, Self.short(published), in: range, reason: reason)
  }

  private static func short(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String((value * 100).rounded() / 100)
  }
}

/// A figure that was expected beside the one that came out.
public struct Figure: Sendable {
  public let label: String
  public let unit: String
  public let published: String
  public let accepted: ClosedRange<Double>
  public let measured: Double
  /// Why it is missed; empty if it is not, or if nobody knows.
  public let reason: String

  init(target: Target, measured: Double) {
    (label, unit, published, accepted) = (target.label, target.unit, target.published, target.accepted)
    self.measured = measured
    reason = target.accepted.contains(measured) ? "" : target.reason
  }

  public var isMet: Bool { accepted.contains(measured) }
}
