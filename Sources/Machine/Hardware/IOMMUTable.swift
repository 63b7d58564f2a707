internal import Paging

/// A domain's table of an IOMMU, in machine memory: four levels of 512 entries, whose bits 0 and 1 let devices read and
/// write, and of which one of level 2 or 3 with bit 7 maps 2 MiB or 1 GiB (Intel, *Virtualization Technology for Directed
/// I/O*, 9.8, second-stage paging entries).
///
/// Its frames are the hypervisor's. Whoever changes the table lends it as many as that may take, and gets back those that
/// it needs no more.
struct IOMMUTable {
  let root: MPN
  /// Entries in use of each frame of the table, the root's included.
  private var used: [MPN: Int]

  private static var levels: Int { 4 }
  private static var large: UInt64 { 1 << 7 }
  private static var frameBits: UInt64 { 0xf_ffff_ffff_f000 }

  init(root: MPN, _ memory: inout MachineMemory) {
    self.root = root
    used = [root: 0]
    memory.clear(root)
  }

  /// Frames that it takes.
  var frames: [MPN] { used.keys.sorted { $0.raw < $1.raw } }

  private static func place(_ page: UInt64, in table: MPN, level: Int) -> MachineAddress {
    table.entryAddress(index: Int(page >> UInt64(9 * (level - 1)) & 511))
  }

  private static func frame(_ word: UInt64) -> MPN { MPN((word & frameBits) >> 12) }

  private static func word(_ entry: IOMMU.Entry, level: Int) -> UInt64 {
    entry.frame.address.raw | UInt64(entry.access.rawValue) | (level > 1 ? large : 0)
  }

  private static func isPresent(_ word: UInt64) -> Bool { word & 3 != 0 }
  private static func isLeaf(_ word: UInt64, level: Int) -> Bool { level == 1 || word & large != 0 }

  /// Pages that an entry of a level maps.
  static func pages(_ level: Int) -> UInt64 { 1 << UInt64(9 * (level - 1)) }

  /// What the table says of a page, as a walk finds it; nil if nothing.
  func entry(_ page: UInt64, _ memory: borrowing MachineMemory) -> IOMMU.Entry? {
    guard page < Self.pages(Self.levels + 1) else { return nil }
    var table = root
    for level in stride(from: Self.levels, through: 1, by: -1) {
      let word = memory.read(Self.place(page, in: table, level: level))
      guard Self.isPresent(word) else { return nil }
      if Self.isLeaf(word, level: level) {
        let frame = Self.frame(word).advanced(by: page & (Self.pages(level) - 1))
        return IOMMU.Entry(frame: frame, access: IOMMU.Access(rawValue: UInt8(word & 3)))
      }
      table = Self.frame(word)
    }
    return nil
  }

  /// Frames that a change of a page's entry takes at most: a table for each level below the one that is there.
  func framesNeeded(_ page: UInt64, _ memory: borrowing MachineMemory) -> Int {
    var table = root
    for level in stride(from: Self.levels, to: 1, by: -1) {
      let word = memory.read(Self.place(page, in: table, level: level))
      if !Self.isPresent(word) || Self.isLeaf(word, level: level) { return level - 1 }
      table = Self.frame(word)
    }
    return 0
  }

  /// Gives a page an entry, or none; `level` 2 and 3: the 2 MiB and 1 GiB that begin with it. Takes frames of `lent`, and
  /// leaves there what the table needs no more.
  mutating func set(
    _ page: UInt64, level leaf: Int = 1, _ entry: IOMMU.Entry?, _ lent: inout [MPN], _ memory: inout MachineMemory
  ) {
    var path = [root]
    for level in stride(from: Self.levels, to: leaf, by: -1) {
      let table = path[path.count - 1]
      let place = Self.place(page, in: table, level: level)
      let word = memory.read(place)
      if !Self.isPresent(word) || Self.isLeaf(word, level: level) {
        if !Self.isPresent(word) {
          guard entry != nil else { return }
          used[table, default: 0] += 1
        }
        memory.write(place, makeTable(for: word, level: level, &lent, &memory))
      }
      path.append(Self.frame(memory.read(place)))
    }
    let place = Self.place(page, in: path[path.count - 1], level: leaf)
    let change = (entry == nil ? 0 : 1) - (Self.isPresent(memory.read(place)) ? 1 : 0)
    used[path[path.count - 1], default: 0] += change
    memory.write(place, entry.map { Self.word($0, level: leaf) } ?? 0)
    freeEmpty(page, path, &lent, &memory)
  }

  /// The entry that points to a new table: empty, or with the parts of the leaf that was there.
  private mutating func makeTable(
    for leaf: UInt64, level: Int, _ lent: inout [MPN], _ memory: inout MachineMemory
  ) -> UInt64 {
    let table = lent.removeLast()
    memory.clear(table)
    used[table] = 0
    if Self.isPresent(leaf) {
      let part = Self.pages(level - 1)
      for index in 0..<512 {
        let frame = Self.frame(leaf).advanced(by: UInt64(index) * part)
        let entry = IOMMU.Entry(frame: frame, access: IOMMU.Access(rawValue: UInt8(leaf & 3)))
        memory.write(table.entryAddress(index: index), Self.word(entry, level: level - 1))
      }
      used[table] = 512
    }
    return table.address.raw | 3
  }

  /// Tables on the way to a page that have become empty go, but for the root.
  private mutating func freeEmpty(
    _ page: UInt64, _ path: [MPN], _ lent: inout [MPN], _ memory: inout MachineMemory
  ) {
    for index in stride(from: path.count - 1, to: 0, by: -1) where used[path[index]] == 0 {
      let above = path[index - 1]
      memory.write(Self.place(page, in: above, level: Self.levels - index + 1), 0)
      used[above, default: 0] -= 1
      used[path[index]] = nil
      lent.append(path[index])
    }
  }

  // MARK: Checks

  /// Pages that have an entry of 4 KiB.
  func smallEntries(_ memory: borrowing MachineMemory) -> [UInt64] {
    var pages: [UInt64] = []
    visit(root, Self.levels, 0, memory) { table, first, level, memory in
      guard level == 1 else { return }
      for index in 0..<512 where Self.isPresent(memory.read(table.entryAddress(index: index))) {
        pages.append(first + UInt64(index))
      }
    }
    return pages
  }

  /// Names what is wrong with the frames: each is reached once, and has as many entries as are counted.
  func violatedFrames(_ memory: borrowing MachineMemory) -> String? {
    var found: [MPN: Int] = [:]
    visit(root, Self.levels, 0, memory) { table, _, _, memory in
      found[table] = (0..<512).count { Self.isPresent(memory.read(table.entryAddress(index: $0))) }
    }
    if found == used { return nil }
    let (known, there) = (used.values.reduce(0, +), found.values.reduce(0, +))
    return "an IOMMU's table has \(used.count) frames with \(known) entries, a walk finds \(found.count) with \(there)"
  }

  private func visit(
    _ table: MPN, _ level: Int, _ first: UInt64, _ memory: borrowing MachineMemory,
    _ body: (MPN, UInt64, Int, borrowing MachineMemory) -> Void
  ) {
    body(table, first, level, memory)
    guard level > 1 else { return }
    for index in 0..<512 {
      let word = memory.read(table.entryAddress(index: index))
      guard Self.isPresent(word), !Self.isLeaf(word, level: level) else { continue }
      visit(Self.frame(word), level - 1, first + UInt64(index) * Self.pages(level), memory, body)
    }
  }
}
