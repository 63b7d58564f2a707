@testable import TraceFormat

/// Makes raw recordings word by word.
struct RawTrace {
  var words: [UInt64]

  init(ram: UInt64 = 1 << 28, cr3: UInt64 = 0x1000, filter: UInt64 = 0) {
    words = [0x3130_4352_544c_4d4d, ram, cr3, 0x8005_0033, 0x20, 0xffff_fe00_0000_0000, filter, 0]
  }

  mutating func add(_ type: UInt64, _ address: UInt64 = 0, aux: UInt64 = 0, user: Bool = false, _ payload: UInt64...) {
    words.append(type << 60 | (user ? 1 << 59 : 0) | aux << 48 | address & 0xffff_ffff_ffff)
    words += payload
  }

  /// A table page with entries by index.
  mutating func addTable(_ address: UInt64, level: UInt64, _ entries: [(index: Int, value: UInt64)]) {
    add(6, address, aux: level)
    var bitmap = [UInt64](repeating: 0, count: 8)
    for entry in entries { bitmap[entry.index >> 6] |= 1 << UInt64(entry.index & 63) }
    words += bitmap + entries.map(\.value)
  }

  var bytes: [UInt8] { words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } } }

  /// A bit of everything, over more than one batch.
  static var varied: RawTrace {
    var trace = RawTrace()
    trace.addTable(0x1000, level: 4, [(0, 0x2067), (511, 0x3063)])
    for round in 0..<3000 as Range<UInt64> {
      trace.add(2, 0xffff_8100_0000 + round % 7 * 64, aux: round % 12)
      trace.add(0, 0x7fff_0000 + round * 8, aux: 3, user: true)
      trace.add(1, 0x5000 + round, aux: round % 7)
      if round % 3 == 0 { trace.add(3, 0x2000 + round % 512 * 8, aux: 2, round << 12 | 7, 0) }
      if round % 9 == 0 {
        trace.addTable(0x4000 + round << 12, level: 1, [(3, 5)])
        trace.add(3, 0x2008, aux: 2, round << 12 | 3, 1)
      }
      if round % 100 == 50 { trace.add(11, aux: round % 3, 0x1000 + round % 2 << 12) }
      if round % 50 == 7 { trace.add(7, 0xdead, aux: 14, user: round % 4 == 0, 6, 0x401000) }
      if round % 64 == 0 { trace.add(4, 0, 0x1000 + round << 12) }
    }
    trace.add(5, 0xffff_8000_1000)
    trace.add(7, 0, aux: 236, 0, 0xffff_ffff_8100_0000)
    trace.add(8, 0, aux: 4, 0x6f0)
    trace.add(10, 0x4000, aux: 1)
    trace.add(9)
    return trace
  }
}
