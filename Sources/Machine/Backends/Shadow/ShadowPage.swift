internal import Paging

/// One page of the shadow tables.
struct ShadowPage {
  /// What a shadow page stands for: its identity in the cache.
  enum Key: Hashable {
    /// A guest's table, taken as one of a level, or the part of it. Entries have the guest's own rights, so that the
    /// hardware combines the levels' and one shadow serves every parent, but for what a role changes.
    case table(PPN, level: Int, role: ShadowRole = .plain, part: TablePart = .longMode)
    /// The inside of a large page of the guest's, from this first page on, as a table of a level (1: 4 KiB entries). It
    /// grants everything; the rights are those of the entry above, so all mappings of the memory share it. Without paging,
    /// all memory is the inside of such pages.
    case splinter(PPN, level: Int, isGlobal: Bool)

    /// In one number: keys are looked up at every store to a table.
    func hash(into hasher: inout Hasher) {
      switch self {
      case .table(let page, let level, let role, let part):
        let form = UInt64(level) << 8 | UInt64(role.rawValue) << 4 | UInt64(part.rawValue)
        hasher.combine(page.raw << 12 | form)
      case .splinter(let page, let level, let isGlobal):
        hasher.combine(1 << 63 | page.raw << 12 | UInt64(level) << 8 | (isGlobal ? 1 : 0))
      }
    }

    var level: Int {
      switch self {
      case .table(_, let level, _, _), .splinter(_, let level, _): level
      }
    }

    var role: ShadowRole {
      switch self {
      case .table(_, _, let role, _): role
      case .splinter: .plain
      }
    }

    var part: TablePart {
      switch self {
      case .table(_, _, _, let part): part
      case .splinter: .longMode
      }
    }
  }

  var key: Key
  var frame: MPN
  /// The entries that point to it, in shadow pages of the level above.
  var parents: [MachineAddress] = []
  /// Place in the order of eviction: when it was made, or last gone through by a fill.
  var stamp: UInt64
}

/// What of a guest's table a shadow stands for. The same page may be taken for tables of several formats.
enum TablePart: UInt8, CaseIterable {
  case longMode
  /// A table of PAE paging.
  case pae
  /// A half of a level-1 table of 32-bit paging: 512 of its 1024 entries, 2 MiB. Or a quarter of a level-2 table: the
  /// entries for 1 GiB, each of which has two in the shadow.
  case quadrant0, quadrant1, quadrant2, quadrant3

  /// The part of a guest's table of a level that an address uses.
  init(_ mode: PagingMode, level: Int, _ address: VirtualAddress) {
    switch mode {
    case .bits32: self.init(quadrant: Int(address.raw >> UInt64(12 + 9 * level) & (level == 1 ? 1 : 3)))
    case .pae: self = .pae
    default: self = .longMode
    }
  }

  init(quadrant: Int) { self = [.quadrant0, .quadrant1, .quadrant2, .quadrant3][quadrant] }

  /// Nil: the whole table.
  var quadrant: Int? { rawValue < 2 ? nil : Int(rawValue) - 2 }

  /// Offset in the guest's table, of a level, of the entry that an entry of the shadow stands for.
  func guestOffset(of index: Int, level: Int) -> UInt64 {
    guard let quadrant else { return UInt64(index) * 8 }
    return UInt64(level == 1 ? quadrant * 512 + index : quadrant * 256 + index / 2) * 4
  }

  /// The entries of the shadow of a level that stand for what a store to the guest's table has changed.
  func indices(of store: TableStore, level: Int) -> Range<Int> {
    let word = Int(store.address.offset >> 3)
    guard let quadrant else { return word..<word + 1 }
    let first = store.isNarrow ? Int(store.address.offset >> 2) : 2 * word
    let range = first..<first + (store.isNarrow ? 1 : 2)
    let whole = level == 1 ? range : range.lowerBound * 2..<range.upperBound * 2
    return (whole.lowerBound - quadrant * 512..<whole.upperBound - quadrant * 512).clamped(to: 0..<512)
  }

  /// The part of the table below that an entry of the shadow leads to.
  func below(_ index: Int) -> TablePart { quadrant == nil ? self : TablePart(quadrant: index & 1) }
}

extension ShadowPage.Key {
  /// The guest's table; nil for a splinter.
  var page: PPN? {
    if case .table(let page, _, _, _) = self { page } else { nil }
  }

  /// The guest's entry that an entry of the shadow of a table stands for; nil in a splinter.
  func guestEntry(
    _ index: Int, _ controls: PagingControls, _ machine: inout MachineState
  ) -> PageTableEntry<PhysicalSpace>? {
    guard case .table(let page, let level, _, let part) = self else { return nil }
    let place = PhysicalAddress(page.address.raw | part.guestOffset(of: index, level: level))
    guard part.quadrant != nil else { return PageTableEntry(machine.guestWord(place)) }
    let raw = machine.memory.readNarrow(machine.place(of: place))
    return NarrowPaging.widened(raw, level: level, VirtualAddress(UInt64(index) << 21), under: controls)
  }

  /// The key of the table that an entry of the shadow leads to, if it is the guest's table at a page.
  func below(_ index: Int, _ page: PPN) -> ShadowPage.Key? {
    guard case .table(_, let level, let role, let part) = self else { return nil }
    return .table(page, level: level - 1, role: role, part: part.below(index))
  }
}
