internal import Paging

/// How one kind of operation is written in the text form, and which values its fields may have in any form: the one
/// description that parser, printer and checks share.
struct OperationSyntax {
  enum Field {
    /// The operation's address, hexadecimal.
    case address
    /// The operation's address, that of a page, hexadecimal.
    case page
    /// The operation's address as a decimal number up to the given one.
    case number(upTo: UInt64)
    /// The operation's address as a number of bytes, not 0.
    case bytes
    /// The operation's size, decimal.
    case size(ClosedRange<UInt16>, default: UInt16?)
    /// The operation's size as a table's level, with `/32` behind it if the entries have 32 bits.
    case tableLevel
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
  /// The name in lower case is user mode, in upper case supervisor mode.
  var hasModes = false
  var fields: [Field]
  /// Fields that come all (but the last ones with defaults) or not at all: `hasPayload` tells which.
  var optional: [Field] = []
  /// A word that stands before the optional fields.
  var mark: String?

  var name: String { kind.name }

  static func of(_ kind: Operation.Kind) -> OperationSyntax { all[Int(kind.rawValue)] }

  /// All of them, in the order of the kinds.
  static let all: [OperationSyntax] = [
    .init(kind: .load, hasModes: true, fields: [.address, .size(1...65_535, default: 8)]),
    .init(kind: .store, hasModes: true, fields: [.address, .size(1...65_535, default: 8)]),
    .init(kind: .fetch, hasModes: true, fields: [.address, .size(0...65_535, default: 1)]),
    .init(
      kind: .tableStore, hasModes: true, fields: [.address, .word("an entry")],
      optional: [.word("a virtual address"), .size(0...65_535, default: 8)], mark: "@"),
    .init(kind: .table, fields: [.page, .tableLevel, .entries]),
    .init(kind: .tableGone, fields: [.page, .size(1...5, default: nil)]),
    .init(kind: .loadCR3, fields: [.address]),
    .init(kind: .loadCR0, fields: [.address]),
    .init(kind: .loadCR4, fields: [.address]),
    .init(kind: .loadEFER, fields: [.address]),
    .init(kind: .invlpg, fields: [.address]),
    .init(kind: .invpcid, fields: [.size(0...3, default: nil), .count("a PCID"), .address]),
    .init(
      kind: .fault, hasModes: true, fields: [.address, .word("an error code")],
      optional: [.word("a RIP")]),
    .init(
      kind: .interrupt, hasModes: true, fields: [.size(0...255, default: nil)],
      optional: [.word("an error code"), .word("a RIP")]),
    .init(kind: .mark, fields: []),
    .init(kind: .readBack, fields: [.address]),
    .init(kind: .hypercall, fields: [.text]),
    .init(kind: .cpu, fields: [.number(upTo: 1023)]),
    .init(kind: .vm, fields: [.number(upTo: 1023)]),
    .init(kind: .ram, fields: [.bytes]),
    .init(kind: .balloon, fields: [.number(upTo: .max)]),
    .init(kind: .switchProcess, fields: [.number(upTo: .max)]),
    .init(kind: .fork, fields: [.number(upTo: .max), .count("a process")]),
    .init(kind: .exec, fields: [.number(upTo: .max)]),
    .init(kind: .exit, fields: [.number(upTo: .max)]),
    .init(
      kind: .map, fields: [.address, .count("a length in bytes"), .mappingRights],
      optional: [.count("a file's number"), .count("an offset in bytes")], mark: "file"),
    .init(kind: .unmap, fields: [.address, .count("a length in bytes")]),
    .init(kind: .protect, fields: [.address, .count("a length in bytes"), .rights]),
    .init(kind: .discard, fields: [.address, .count("a length in bytes")]),
    .init(kind: .content, fields: [.address, .word("a tag")]),
    .init(kind: .dma, fields: [.direction, .address, .count("a length in bytes")]),
    .init(
      kind: .remap,
      fields: [
        .address, .count("a length in bytes"), .word("the new address"), .count("the new length in bytes"),
      ]),
    .init(
      kind: .folded,
      fields: [.count("a number of loads"), .count("a number of stores"), .count("a number of fetches")]),
  ]
}

extension OperationSyntax.Field {
  /// What has to stand there, for messages.
  var expectation: String {
    switch self {
    case .address: "a hexadecimal address or value"
    case .page: "the hexadecimal address of a page, a multiple of 1000"
    case .number(let limit): limit == .max ? "a decimal number" : "a number from 0 to \(limit)"
    case .bytes: "a number of bytes, not 0 (decimal, 0x…, suffix K, M or G)"
    case .size(let range, _): "a number from \(range.lowerBound) to \(range.upperBound)"
    case .tableLevel: "a level from 1 to 5, or 1/32 or 2/32"
    case .rights: "letters of rwx, or -"
    case .mappingRights: "letters of rwxfs, or -"
    case .direction: "read or write"
    case .word(let meaning): "\(meaning), hexadecimal"
    case .count(let meaning): "\(meaning), decimal"
    case .entries: "INDEX=VALUE with an index from 0 to 511 (after LEVEL/32: 1023) and a hexadecimal value"
    case .text: "a hypercall's name"
    }
  }
}
