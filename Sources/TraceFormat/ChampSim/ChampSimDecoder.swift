internal import Paging

/// Reads ChampSim's traces (`input_instr` of its `inc/trace_instruction.h`) as a process trace of one process.
///
/// A record of 64 bytes, little-endian, for each instruction: `ip` (8 bytes), `is_branch`, `branch_taken` (1 each), 2
/// destination and 4 source registers (1 each), 2 addresses stored to and 4 loaded from (8 each; 0: none). It becomes a
/// fetch, the loads and the stores. Sizes are not in it: each access is of one byte, and so on one page.
struct ChampSimDecoder: TraceDecoder {
  static var magic: [UInt8] { [] }
  static var recordWords: Int { 8 }

  private(set) var header = TraceHeader(guest: .process, notes: [.init(key: "source", value: "champsim")])
  private var next: UInt64 = 0

  /// The format has no mark: every whole record among these bytes must be a possible one of a program in user mode.
  static func recognises(_ start: [UInt8]) -> Bool {
    let records = start.count / (8 * recordWords)
    guard records > 0 else { return false }
    return (0..<records).allSatisfy { record in
      let words = (0..<recordWords).map { word in
        (0..<8).reduce(UInt64(0)) { $0 | UInt64(start[record * 64 + word * 8 + $1]) << UInt64(8 * $1) }
      }
      return isRecord(words[1]) && words[0] != 0 && words[0] >> 47 == 0
        && words[2...].allSatisfy { $0 >> 47 == 0 || $0 >> 47 == 0x1_ffff }
    }
  }

  /// Whether the second word's flags are 0 or 1.
  private static func isRecord(_ flags: UInt64) -> Bool { flags & 0xfefe == 0 }

  init(_ input: ByteInput) throws(TraceError) {}

  mutating func read(into batch: inout OperationBatch, from input: ByteInput) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    while batch.hasRoom(for: 7) {
      guard try input.require(8 * Self.recordWords) else {
        if input.available > 0 { throw input.cutOff(expected: "a record of 64 bytes") }
        break
      }
      let taken = input.withWords { takeRecords($0, into: &batch) }
      input.skip(8 * Self.recordWords * taken)
      if taken == 0 { throw input.badData("branch flags other than 0 and 1, expected a ChampSim record of 64 bytes") }
    }
    next += UInt64(batch.count)
    return !batch.isEmpty
  }

  /// Returns the number of records taken.
  private func takeRecords(_ words: Span<UInt64>, into batch: inout OperationBatch) -> Int {
    var taken = 0
    while batch.hasRoom(for: 7) {
      let start = taken * Self.recordWords
      guard start + Self.recordWords <= words.count, Self.isRecord(words[start + 1]) else { break }
      batch.append(Operation(.fetch, words[start], size: 1, flags: .user))
      for index in start + 4..<start + 8 where words[index] != 0 {
        batch.append(Operation(.load, words[index], size: 1, flags: .user))
      }
      for index in start + 2..<start + 4 where words[index] != 0 {
        batch.append(Operation(.store, words[index], size: 1, flags: .user))
      }
      taken += 1
    }
    return taken
  }
}
