public import Machine

/// One combination of a plan: one replay.
public struct SweepPoint: Hashable, Sendable {
  /// A key of `--set` with its value.
  public struct Setting: Hashable, Sendable {
    public var key: String
    public var value: String
  }

  /// Its place in the plan, from 0.
  public var number: Int
  public var trace: SweepTrace
  public var machine: String
  public var settings: [Setting]
  public var mode: Mode

  /// The settings as `--set` takes them.
  public var changes: [String] { settings.map { "\($0.key)=\($0.value)" } }

  /// The point as a person reads it.
  public var summary: String {
    ([trace.name, machine, mode.rawValue] + changes).joined(separator: " ")
  }

  /// Whether it is one that an exclusion leaves out.
  func matches(_ exclusion: SweepPlan.Exclusion) -> Bool {
    exclusion.allSatisfy { name, values in
      switch name {
      case "trace": values.contains(trace.path) || values.contains(trace.name)
      case "mode": values.contains(mode.rawValue)
      case "machine": values.contains(machine)
      default: settings.contains { $0.key == name && values.contains($0.value) }
      }
    }
  }
}

/// A part of a sweep's points, for one of several machines: every so-manieth.
public struct SweepShard: Hashable, Sendable {
  /// From 1 to ``count``.
  public var index: Int
  public var count: Int

  public static let whole = SweepShard(index: 1, count: 1)

  init(index: Int, count: Int) { (self.index, self.count) = (index, count) }

  /// From `I/N`, I from 1 to N.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let index = parts[0], let count = parts[1], (1...max(count, 1)).contains(index) else {
      return nil
    }
    guard count >= 1 else { return nil }
    self.init(index: index, count: count)
  }

  public func contains(_ point: SweepPoint) -> Bool { point.number % count == index - 1 }
}
