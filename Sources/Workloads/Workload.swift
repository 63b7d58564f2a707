public import Paging

/// A synthetic trace: a guest whose behaviour is known to the last access, made from a few parameters and a seed.
public protocol Workload: Sendable {
  /// As `memlab generate` knows it.
  static var name: String { get }
  /// One line for people.
  static var summary: String { get }
  static var parameters: [WorkloadParameter] { get }

  /// `value` gives each parameter's value by name.
  init(_ value: (String) -> UInt64) throws(WorkloadError)

  /// Hands over the operations, batch by batch. The same parameters give the same operations.
  func generate<Failure: Error>(_ body: (OperationBatch) throws(Failure) -> Void) throws(Failure)
}

/// A number that a workload takes.
public struct WorkloadParameter: Sendable {
  public var name: String
  public var standard: UInt64
  public var range: ClosedRange<UInt64>
  /// Meaning and unit.
  public var summary: String
}

/// What is wrong with a workload's parameters, for people.
public struct WorkloadError: Error, Hashable {
  public var message: String
}

/// The workloads that there are.
public enum Workloads {
  public static let all: [any Workload.Type] = [UniformRandom.self]

  /// A workload with the parameters that `changes` name (name, value); the others have their standard values.
  public static func make(_ name: String, _ changes: [(name: String, value: String)]) throws(WorkloadError)
    -> any Workload
  {
    guard let type = all.first(where: { $0.name == name }) else {
      let names = all.map { $0.name }.joined(separator: ", ")
      throw WorkloadError(message: "no workload '\(name)'; there are \(names)")
    }
    var values: [String: UInt64] = [:]
    for parameter in type.parameters { values[parameter.name] = parameter.standard }
    for change in changes {
      guard let parameter = type.parameters.first(where: { $0.name == change.name }) else {
        let names = type.parameters.map(\.name).joined(separator: ", ")
        throw WorkloadError(message: "no parameter '\(change.name)' of \(name); there are \(names)")
      }
      guard let value = UInt64(change.value), parameter.range.contains(value) else {
        let range = "\(parameter.range.lowerBound) to \(parameter.range.upperBound)"
        throw WorkloadError(message: "\(change.name)=\(change.value): expected a number from \(range)")
      }
      values[change.name] = value
    }
    return try type.init { values[$0] ?? 0 }
  }
}
