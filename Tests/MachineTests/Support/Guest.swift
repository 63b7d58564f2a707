import Paging

@testable import Machine

/// A program for the simulated machine, written down as a kernel would set it up: map pages, boot, then operate.
///
/// Tables lie where `tablePages` says, from `firstTable` on, so that tests can name them. What `map` builds before
/// `boot` goes out as `table` operations, which count nothing.
struct Guest {
  struct Item {
    var operation: Operation
    var words: [UInt64] = []
    /// A hypercall.
    var text: String?

    func append(to batch: inout OperationBatch) {
      if let text { batch.append(operation, string: text) } else { batch.append(operation, words: words) }
    }
  }

  var items: [Item] = []
  /// The guest's tables as it stored them, by physical address.
  private(set) var words: [UInt64: UInt64] = [:]
  private(set) var tableLevels: [UInt64: Int] = [:]
  /// 4 or 5; 3 for PAE paging, 2 for 32-bit paging.
  let levels: Int
  let root: UInt64
  private var nextTable: UInt64

  init(levels: Int = 4, root: UInt64 = 0x10_0000) {
    self.levels = levels
    self.root = root
    nextTable = root + 0x1000
    tableLevels[root] = levels
  }

  /// Number of the operation that comes next.
  var next: UInt64 { UInt64(items.count) }

  mutating func append(_ kind: Operation.Kind, _ address: UInt64 = 0, size: UInt16 = 0, flags: Operation.Flags = []) {
    items.append(Item(operation: Operation(kind, address, size: size, flags: flags)))
  }

  mutating func append(_ operation: Operation, _ words: [UInt64]) {
    items.append(Item(operation: operation, words: words))
  }

  // MARK: Tables

  /// Has a page announced as a table of a level.
  mutating func setTable(_ page: UInt64, level: Int) { tableLevels[page] = level }

  /// Another top-level table, empty.
  mutating func addRoot() -> UInt64 { addTable(level: levels) }

  mutating func addTable(level: Int) -> UInt64 {
    tableLevels[nextTable] = level
    nextTable += 0x1000
    return nextTable - 0x1000
  }

  /// Where the entry of a level for an address lies.
  func entry(_ va: UInt64, level: Int = 1, root: UInt64? = nil) -> UInt64 {
    var table = root ?? self.root
    for above in stride(from: levels, to: level, by: -1) {
      table = words[place(va, above, table), default: 0] & 0xf_ffff_ffff_f000
    }
    return place(va, level, table)
  }

  private func place(_ va: UInt64, _ level: Int, _ table: UInt64) -> UInt64 {
    if levels == 2 { return table | (va >> UInt64(2 + 10 * level) & 1023) << 2 }
    return table | (va >> UInt64(3 + 9 * level) & 511) << 3
  }

  /// Maps a page before boot; tables on the way are made, with all rights.
  mutating func map(
    _ va: UInt64, to pa: UInt64, _ flags: EntryFlags = .readWriteUser, size: PageSize = .small, root: UInt64? = nil
  ) {
    var table = root ?? self.root
    for level in stride(from: levels, to: size.level, by: -1) {
      let place = place(va, level, table)
      if words[place, default: 0] == 0 {
        let flags: EntryFlags = levels == 3 && level == 3 ? .present : .readWriteUser
        words[place] = addTable(level: level - 1) | flags.rawValue
      }
      table = words[place, default: 0] & 0xf_ffff_ffff_f000
    }
    words[place(va, size.level, table)] = pa | flags.rawValue | (size > .small ? 0x80 : 0)
  }

  /// Sets a word of a table before boot.
  mutating func set(_ value: UInt64, at pa: UInt64) { words[pa] = value }

  /// Announces all tables and loads CR3.
  mutating func boot(cr4: UInt64? = nil) {
    for table in tableLevels.keys.sorted() { announce(table) }
    if levels < 4 { append(.loadEFER, EFER.noExecute) }
    let usual: [Int: UInt64] = [2: CR4.pse, 3: CR4.pae, 5: CR4.pae | CR4.la57]
    if let value = cr4 ?? usual[levels] { append(.loadCR4, value) }
    append(.loadCR3, root)
  }

  /// The contents of a table as a `table` operation.
  mutating func announce(_ table: UInt64) {
    var payload = [UInt64](repeating: 0, count: 8)
    for index in 0..<512 {
      let place = table + UInt64(index) * 8
      let value = levels == 2 ? word(place) : words[place, default: 0]
      guard value != 0 else { continue }
      payload[index >> 6] |= 1 << UInt64(index & 63)
      payload.append(value)
    }
    let width = levels == 2 ? Operation.narrowEntries : 0
    append(Operation(.table, table, size: UInt16(tableLevels[table] ?? 1) | width), payload)
  }

  /// The 8 bytes at a place, of two entries of 32-bit paging.
  private func word(_ place: UInt64) -> UInt64 { words[place, default: 0] | words[place + 4, default: 0] << 32 }

  // MARK: Operations

  mutating func read(_ va: UInt64, user: Bool = true, size: UInt16 = 8) {
    append(.load, va, size: size, flags: user ? .user : [])
  }
  mutating func write(_ va: UInt64, user: Bool = true, size: UInt16 = 8) {
    append(.store, va, size: size, flags: user ? .user : [])
  }
  mutating func fetch(_ va: UInt64, user: Bool = true) { append(.fetch, va, size: 1, flags: user ? .user : []) }

  mutating func access(_ access: Access, _ va: UInt64) {
    switch access.kind {
    case .load: read(va, user: access.isUser)
    case .store: write(va, user: access.isUser)
    case .fetch: fetch(va, user: access.isUser)
    }
  }

  /// A page-table store; through no mapping if `va` is nil, a further entry of the one before if `size` is 0.
  mutating func store(
    _ value: UInt64, at pa: UInt64, va: UInt64? = nil, size: UInt16 = 8, user: Bool = false
  ) {
    words[pa] = value
    var flags: Operation.Flags = va == nil ? [] : .hasPayload
    if user { flags.insert(.user) }
    append(Operation(.tableStore, pa, size: size, flags: flags), [value] + (va.map { [$0] } ?? []))
  }

  mutating func cr3(_ value: UInt64) { append(.loadCR3, value) }
  mutating func invlpg(_ va: UInt64) { append(.invlpg, va) }
  mutating func invpcid(_ type: UInt16, pcid: UInt64 = 0, va: UInt64 = 0) {
    append(Operation(.invpcid, va, size: type), [pcid])
  }
  mutating func fault(_ va: UInt64, _ code: UInt64) { append(Operation(.fault, va), [code]) }
  mutating func cpu(_ index: UInt64) { append(.cpu, index) }
  mutating func hypercall(_ text: String) { items.append(Item(operation: Operation(.hypercall), text: text)) }
  /// A device reads or writes so many bytes.
  mutating func dma(_ pa: UInt64, _ length: UInt64, writes: Bool) {
    append(Operation(.dma, pa, size: writes ? 1 : 0), [length])
  }
}

extension EntryFlags {
  static var readWriteUser: EntryFlags { [.present, .writable, .user] }
  static var readUser: EntryFlags { [.present, .user] }
  /// Present and nothing else: a supervisor's, read-only.
  static var supervisor: EntryFlags { [.present] }
}
