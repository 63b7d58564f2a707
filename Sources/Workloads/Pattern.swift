internal import Paging

/// What a workload does, step by step.
protocol Pattern {
  /// Adds the operations of the next step, at most ``stepLimit``; false, and none added, at the end.
  mutating func step(_ batch: inout OperationBatch) -> Bool
}

extension Pattern {
  /// Steps until the batch has no room for another; false at the end.
  mutating func fill(_ batch: inout OperationBatch) -> Bool {
    while batch.count + stepLimit <= OperationBatch.capacity && batch.words.count < OperationBatch.payloadLimit {
      if !step(&batch) { return false }
    }
    return true
  }
}

/// Most operations of one step.
let stepLimit = 8

/// The values of a workload's keys, and its seed.
struct Parameters {
  var values: [String: UInt64]
  var seed: UInt64

  subscript(_ key: String) -> UInt64 {
    guard let value = values[key] else { preconditionFailure("the workload has no key \(key)") }
    return value
  }

  var random: Random { Random(seed: seed) }
}

/// Where things are.
enum Layout {
  /// A region that begins at a border of 1 GiB.
  static func region(_ number: UInt64) -> UInt64 { (64 + number * 1024) << 30 }
  /// Pages of a region at the most: a TiB.
  static let maximum: UInt64 = 1 << 28
  static let pageSize: UInt64 = 4096
}

extension OperationBatch {
  mutating func load(_ address: UInt64) { append(Operation(.load, address, size: 8, flags: .user)) }
  mutating func store(_ address: UInt64) { append(Operation(.store, address, size: 8, flags: .user)) }
  /// Maps anonymous memory, to be read and written.
  mutating func map(_ address: UInt64, pages: UInt64) {
    append(Operation(.map, address, size: 6), words: [pages * Layout.pageSize])
  }
  mutating func unmap(_ address: UInt64, pages: UInt64) {
    append(Operation(.unmap, address), words: [pages * Layout.pageSize])
  }
  mutating func run(_ process: UInt64) { append(Operation(.switchProcess, process)) }
  mutating func fork(_ parent: UInt64, _ child: UInt64) { append(Operation(.fork, parent), words: [child]) }
}
