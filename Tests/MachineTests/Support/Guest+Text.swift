import Paging

@testable import Machine

extension Guest {
  /// The program in the text form of traces, to be read and to be replayed by `memlab replay`.
  var text: String {
    "memlab-trace 1\nguest scenario\n" + items.map { Self.line($0) }.joined(separator: "\n")
  }

  private static func line(_ item: Item) -> String {
    let operation = item.operation
    let address = String(operation.address, radix: 16)
    let words = item.words.map { String($0, radix: 16) }
    switch operation.kind {
    case .load: return "\(operation.isUser ? "r" : "R") \(address) \(operation.size)"
    case .store: return "\(operation.isUser ? "w" : "W") \(address) \(operation.size)"
    case .fetch: return "\(operation.isUser ? "x" : "X") \(address) \(operation.size)"
    case .tableStore:
      let access = words.count > 1 ? " @ \(words[1]) \(operation.size)" : ""
      return "\(operation.isUser ? "pte" : "PTE") \(address) \(words[0])" + access
    case .table:
      var entries: [String] = []
      let isNarrow = operation.size & Operation.narrowEntries != 0
      var next = 8
      for index in 0..<512 where item.words[index >> 6] >> UInt64(index & 63) & 1 == 1 {
        let value = item.words[next]
        next += 1
        if !isNarrow { entries.append("\(index)=\(String(value, radix: 16))") }
        for half in 0..<2 where isNarrow && value >> UInt64(32 * half) & 0xffff_ffff != 0 {
          entries.append("\(2 * index + half)=\(String(value >> UInt64(32 * half) & 0xffff_ffff, radix: 16))")
        }
      }
      let level = operation.size & ~Operation.narrowEntries
      return "table \(address) \(level)\(isNarrow ? "/32" : "") " + entries.joined(separator: " ")
    case .tableGone: return "gone \(address) \(operation.size)"
    case .loadCR3: return "cr3 \(address)"
    case .loadCR0: return "cr0 \(address)"
    case .loadCR4: return "cr4 \(address)"
    case .loadEFER: return "efer \(address)"
    case .invpcid: return "invpcid \(operation.size) \(item.words[0]) \(address)"
    case .fault: return "fault \(address) \(words[0])"
    case .cpu: return "cpu \(operation.address)"
    case .ram: return "ram \(operation.address)"
    case .hypercall: return "hypercall \(item.text ?? "")"
    case .dma: return "dma \(operation.size == 1 ? "write" : "read") \(address) \(item.words[0])"
    default: return "\(operation.kind) \(address)"
    }
  }
}
