internal import Paging

/// Large pages of the nested table in parts, where the parts must differ, and together again.
extension NestedTable {
  /// A table for the hypervisor, zeroed.
  mutating func takeTable(_ machine: inout MachineState) -> MPN {
    guard let table = spare.popLast() else { return machine.allocateTable(frames: shape.tableFrames) }
    for frame in 0..<shape.tableFrames { machine.memory.clear(table.advanced(by: frame)) }
    return table
  }

  /// Puts a table of smaller pages, of the same rights and bits, where a large page was. Returns the table.
  mutating func divide(_ place: MachineAddress, level: Int, _ machine: inout MachineState) -> MPN {
    let entry = machine.memory.read(place)
    let below = takeTable(&machine)
    let size: UInt64 = shape.architecturalLevel(level - 1) > 1 ? EntryFlags.pageSize.rawValue : 0
    let flags = entry & ~(Self.frameMask | EntryFlags.pageSize.rawValue) | size
    let step = UInt64(4096) << (shape.bits * UInt64(level - 2))
    for index in 0..<UInt64(1) << shape.bits {
      let frame = entry & Self.frameMask + index * step
      machine.memory.write(MachineAddress(below.address.raw + index * 8), frame | flags)
    }
    machine.memory.write(place, rules.tableEntry(below))
    machine.counters.nestedSplit += 1
    machine.counters.cycles.nestedSplit += machine.description.costs.fill
    return below
  }

  /// The leaf that maps a page, and its level; nil if there is none.
  func leaf(of page: PPN, _ machine: borrowing MachineState) -> (place: MachineAddress, level: Int)? {
    guard page.raw >> shape.pageBits == 0 else { return nil }
    var table = root
    for level in stride(from: shape.levels, through: 1, by: -1) {
      let place = shape.place(page, in: table, level: level)
      let entry = machine.memory.read(place)
      switch rules.judge(entry, level: shape.architecturalLevel(level)) {
      case .table: table = MPN(entry >> 12 & 0xff_ffff_ffff)
      case .leaf: return (place, level)
      case .absent, .malformed: return nil
      }
    }
    return nil
  }

  /// Gives a page a leaf of its own, if it has one. Returns whether a larger one was split.
  mutating func isolate(_ page: PPN, _ machine: inout MachineState) -> Bool {
    var hasSplit = false
    while let leaf = leaf(of: page, machine), leaf.level > 1 {
      _ = divide(leaf.place, level: leaf.level, &machine)
      hasSplit = true
    }
    return hasSplit
  }

  /// Makes the leaf of a page, which is its own, grant what its watchers allow. Returns whether it has lost a right.
  func adjust(_ page: PPN, _ machine: inout MachineState) -> Bool {
    guard let (place, level) = leaf(of: page, machine), level == 1 else { return false }
    let entry = machine.memory.read(place)
    guard case .leaf(let granted) = rules.judge(entry, level: 1) else { return false }
    let rights = NestedRights(machine.traces.protection(of: page))
    if granted != rights { machine.memory.write(place, rights.isEmpty ? 0 : rules.setting(rights, in: entry)) }
    return !rights.isSuperset(of: granted)
  }

  /// Puts the pages around one together to the largest page that may be, if they are apart. Returns whether tables went:
  /// until an INVEPT the hardware may still walk through them.
  mutating func join(around page: PPN, upTo limit: PageSize, _ machine: inout MachineState) -> Bool {
    let (size, level) = size(for: page, upTo: limit, &machine)
    guard size > .small, let place = place(page, level: level, machine) else { return false }
    let entry = machine.memory.read(place)
    guard case .table = rules.judge(entry, level: size.level) else { return false }
    let bits = giveUp(MPN(entry >> 12 & 0xff_ffff_ffff), level: level - 1, &machine)
    let frame = machine.frame(of: PPN(size.first(page.raw)))
    machine.memory.write(place, rules.leaf(frame, isLarge: true) | bits)
    machine.counters.nestedCollapsed += 1
    machine.counters.cycles.nestedSplit += machine.description.costs.fill
    return true
  }

  /// Takes a table back with all below it. Returns the A and D bits of its leaves.
  private mutating func giveUp(_ table: MPN, level: Int, _ machine: inout MachineState) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<UInt64(1) << shape.bits {
      let entry = machine.memory.read(MachineAddress(table.address.raw + index * 8))
      switch rules.judge(entry, level: shape.architecturalLevel(level)) {
      case .table: bits |= giveUp(MPN(entry >> 12 & 0xff_ffff_ffff), level: level - 1, &machine)
      case .leaf: bits |= entry & (rules.format.accessed | rules.format.dirty)
      case .absent, .malformed: break
      }
    }
    spare.append(table)
    return bits
  }

  /// The first page, the size and the place of every leaf, in order.
  func leaves(_ machine: borrowing MachineState) -> [NestedLeaf] {
    var leaves: [NestedLeaf] = []
    collect(root, level: shape.levels, first: 0, machine, &leaves)
    return leaves
  }

  private func collect(
    _ table: MPN, level: Int, first: UInt64, _ machine: borrowing MachineState, _ leaves: inout [NestedLeaf]
  ) {
    let architectural = shape.architecturalLevel(level)
    var index: UInt64 = 0
    while index < 1 << shape.bits {
      let place = MachineAddress(table.address.raw + index * 8)
      guard place.offset > 0 || machine.memory.isTouched(place.page) else {
        index += 512
        continue
      }
      defer { index += 1 }
      let entry = machine.memory.read(place)
      if entry == 0 { continue }
      let page = first + index << (shape.bits * UInt64(level - 1))
      switch rules.judge(entry, level: architectural) {
      case .table:
        collect(MPN(entry >> 12 & 0xff_ffff_ffff), level: level - 1, first: page, machine, &leaves)
      case .leaf(let rights):
        guard let size = PageSize(level: architectural) else { continue }
        leaves.append(NestedLeaf(first: PPN(page), size: size, place: place, entry: entry, rights: rights))
      case .absent, .malformed: continue
      }
    }
  }
}

/// A leaf of the nested table.
struct NestedLeaf {
  var first: PPN
  var size: PageSize
  var place: MachineAddress
  var entry: UInt64
  var rights: NestedRights
}
