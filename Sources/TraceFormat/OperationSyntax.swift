internal import Paging

/// How one kind of operation is written in the text form, and which values its fields may have in any form: the one
/// description that parser, printer and checks share.
struct OperationSyntax {
  enum Field {
    /// The operation's address, hexadecimal.
    case address
    /// The operation's address as a decimal number up to the given one.
    case number(upTo: UInt64)
    /// The operation's address as a number of bytes, not 0.
    case bytes
    /// The operation's size, decimal.
    case size(ClosedRange<UInt16>, default: UInt16?)
    /// The operation's size as letters of `rwx`, or `-`.
    case rights
    /// The same, or with an `f` for a file and an `s` for a shared mapping.
    case mappingRights
    /// The operation's size as `read` or `write`.
    case direction
    /// The next payload word, hexadecimal.
    case word(String)
    /// The next payload word, decimal.
    case count(String)
    /// A table's entries.
    case entries
    /// The rest of the line.
    case text
  }

  var kind: Operation.Kind
  /// The operation's name. With modes: in user mode; upper case is supervisor mode.
  var name: String
  var hasModes = false
  var fields: [Field]
  /// Fields that come all (but the last ones with defaults) or not at all: `hasPayload` tells which.
  var optional: [Field] = []
  /// A word that stands before the optional fields.
  var mark: String?

  static func of(_ kind: Operation.Kind) -> OperationSyntax { all[Int(kind.rawValue)] }

  /// All of them, in the order of the kinds.
  static let all: [OperationSyntax] = [
    .init(kind: .load, name: "r", hasModes: true, fields: [.address, .size(1...65_535, default: 8)]),
    .init(kind: .store, name: "w", hasModes: true, fields: [.address, .size(1...65_535, default: 8)]),
    .init(kind: .fetch, name: "x", hasModes: true, fields: [.address, .size(0...65_535, default: 1)]),
    .init(
      kind: .tableStore, name: "pte", hasModes: true, fields: [.address, .word("an entry")],
      optional: [.word("a virtual address"), .size(0...65_535, default: 8)], mark: "@"),
    .init(kind: .table, name: "table", fields: [.address, .size(1...5, default: nil), .entries]),
    .init(kind: .tableGone, name: "gone", fields: [.address, .size(1...5, default: nil)]),
    .init(kind: .loadCR3, name: "cr3", fields: [.address]),
    .init(kind: .loadCR0, name: "cr0", fields: [.address]),
    .init(kind: .loadCR4, name: "cr4", fields: [.address]),
    .init(kind: .loadEFER, name: "efer", fields: [.address]),
    .init(kind: .invlpg, name: "invlpg", fields: [.address]),
    .init(kind: .invpcid, name: "invpcid", fields: [.size(0...3, default: nil), .count("a PCID"), .address]),
    .init(
      kind: .fault, name: "fault", hasModes: true, fields: [.address, .word("an error code")],
      optional: [.word("a RIP")]),
    .init(
      kind: .interrupt, name: "interrupt", hasModes: true, fields: [.size(0...255, default: nil)],
      optional: [.word("an error code"), .word("a RIP")]),
    .init(kind: .mark, name: "mark", fields: []),
    .init(kind: .readBack, name: "load", fields: [.address]),
    .init(kind: .hypercall, name: "hypercall", fields: [.text]),
    .init(kind: .cpu, name: "cpu", fields: [.number(upTo: 1023)]),
    .init(kind: .vm, name: "vm", fields: [.number(upTo: 1023)]),
    .init(kind: .ram, name: "ram", fields: [.bytes]),
    .init(kind: .balloon, name: "balloon", fields: [.number(upTo: .max)]),
    .init(kind: .switchProcess, name: "switch", fields: [.number(upTo: .max)]),
    .init(kind: .fork, name: "fork", fields: [.number(upTo: .max), .count("a process")]),
    .init(kind: .exec, name: "exec", fields: [.number(upTo: .max)]),
    .init(kind: .exit, name: "exit", fields: [.number(upTo: .max)]),
    .init(
      kind: .map, name: "map", fields: [.address, .count("a length in bytes"), .mappingRights],
      optional: [.count("a file's number"), .count("an offset in bytes")], mark: "file"),
    .init(kind: .unmap, name: "unmap", fields: [.address, .count("a length in bytes")]),
    .init(kind: .protect, name: "protect", fields: [.address, .count("a length in bytes"), .rights]),
    .init(kind: .discard, name: "discard", fields: [.address, .count("a length in bytes")]),
    .init(kind: .content, name: "content", fields: [.address, .word("a tag")]),
    .init(kind: .dma, name: "dma", fields: [.direction, .address, .count("a length in bytes")]),
    .init(
      kind: .remap, name: "remap",
      fields: [
        .address, .count("a length in bytes"), .word("the new address"), .count("the new length in bytes"),
      ]),
    .init(
      kind: .folded, name: "folded",
      fields: [.count("a number of loads"), .count("a number of stores"), .count("a number of fetches")]),
  ]
}

extension OperationSyntax.Field {
  /// What has to stand there, for messages.
  var expectation: String {
    switch self {
    case .address: "a hexadecimal address or value"
    case .number(let limit): limit == .max ? "a decimal number" : "a number from 0 to \(limit)"
    case .bytes: "a number of bytes, not 0 (decimal, 0x…, suffix K, M or G)"
    case .size(let range, _): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .rights: "letters of rwx, or -"
    case .mappingRights: "letters of rwxfs, or -"
    case .direction: "read or write"
    case .word(let meaning): "\(meaning), hexadecimal"
    case .count(let meaning): "\(meaning), decimal"
    case .entries: "INDEX=VALUE with an index from 0 to 511 and a hexadecimal value"
    case .text: "a hypercall's name"
    }
  }
}
