public import Paging

/// A kind of synthetic trace: what it is for, and what can be chosen.
public struct Workload: Sendable {
  /// Something that can be chosen: a whole number.
  public struct Key: Sendable {
    public let name: String
    public let standard: UInt64
    public let range: ClosedRange<UInt64>
    /// What it means, with its unit.
    public let summary: String

    init(_ name: String, _ standard: UInt64, in range: ClosedRange<UInt64>, _ summary: String) {
      (self.name, self.standard, self.range, self.summary) = (name, standard, range, summary)
    }
  }

  public let name: String
  /// What it is for, in a sentence.
  public let summary: String
  public let keys: [Key]
  /// Whether the modelled kernel carries it out, or it brings tables of its own.
  let guest: TraceHeader.Guest
  let make: @Sendable (Parameters) -> any Pattern

  init(
    name: String, summary: String, keys: [Key], guest: TraceHeader.Guest = .process,
    make: @escaping @Sendable (Parameters) -> any Pattern
  ) {
    (self.name, self.summary, self.keys) = (name, summary, keys)
    (self.guest, self.make) = (guest, make)
  }

  /// All of them.
  public static let all: [Workload] = [
    Sequential.workload, Stride.workload, Gups.workload, Zipf.workload, PointerChase.workload, HashJoin.workload,
    ForkStorm.workload, ForkExec.workload, MapChurn.workload, PingPong.workload, LargePageMix.workload,
    ProducerConsumer.workload, Phases.workload, UniformRandom.workload,
    Nanobenchmark.workload,
  ]

  public static func named(_ name: String) -> Workload? { all.first { $0.name == name } }

  /// Reads a value for a key: a whole number, perhaps with K, M or G behind it (powers of 1024).
  public func value(_ text: String, of name: String) throws(WorkloadError) -> UInt64 {
    guard let key = keys.first(where: { $0.name == name }) else { throw .unknownKey }
    let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let unit = text.last.flatMap { units[$0] }
    let number = UInt64(unit == nil ? text[...] : text.dropLast())
    let product = (number ?? 0).multipliedReportingOverflow(by: unit ?? 1)
    guard number != nil, !product.overflow, key.range.contains(product.partialValue) else {
      throw .badValue(expected: "a whole number from \(key.range.lowerBound) to \(key.range.upperBound)")
    }
    return product.partialValue
  }

  /// The operations, for some values of the keys (the others have their defaults) and a seed.
  public func stream(_ values: [String: UInt64] = [:], seed: UInt64 = 1) -> WorkloadStream {
    var chosen: [String: UInt64] = [:]
    for key in keys {
      chosen[key.name] = min(max(values[key.name] ?? key.standard, key.range.lowerBound), key.range.upperBound)
    }
    let notes = [("workload", name), ("seed", String(seed))] + keys.map { ($0.name, String(chosen[$0.name] ?? 0)) }
    return WorkloadStream(
      make(Parameters(values: chosen, seed: seed)),
      TraceHeader(guest: guest, notes: notes.map { TraceHeader.Note(key: $0.0, value: $0.1) }))
  }
}

/// Why a value of a key cannot be had.
public enum WorkloadError: Error, Hashable {
  case unknownKey
  case badValue(expected: String)
}

/// The operations of a workload, batch by batch; never more than one batch of them is held.
public struct WorkloadStream {
  public let header: TraceHeader
  private var pattern: any Pattern
  private var next: UInt64 = 0
  private var isFinished = false

  init(_ pattern: any Pattern, _ header: TraceHeader) {
    self.pattern = pattern
    self.header = header
  }

  /// Fills the batch with the next operations; false, with an empty batch, at the end.
  public mutating func read(into batch: inout OperationBatch) -> Bool {
    batch.removeAll(first: next)
    if !isFinished { isFinished = !pattern.fill(&batch) }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }
}
