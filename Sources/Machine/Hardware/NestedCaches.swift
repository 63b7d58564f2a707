internal import Paging

/// What a CPU caches of the nested table: guest-physical mappings (SDM 3C 29.4.1), which know nothing of virtual addresses.
///
/// So nothing that the guest does drops them: not INVLPG, INVPCID or a CR3 load (SDM 3C 29.4.3.1), and no exit. A violation
/// drops what there is of its physical address, the hypervisor's INVEPT drops all. They are tagged by nested table, but for
/// the page-walk cache, which knows entries by their own address.
struct NestedCaches: ~Copyable {
  /// Physical page to machine page. The low bits of an entry's data are the ``NestedRights``, ``TLBData/dirty`` its D.
  private var tlb: TLBLevel
  var structures: PagingStructureCaches<PhysicalSpace>
  private let hasTLB: Bool
  /// The nested table (EP4TA) that is walked, as in ``TranslationOwner``.
  var table: UInt64 = 0
  /// The tag of that table.
  private var context: UInt64 { table }
  /// For each page size (its raw value), the largest that the nested TLB can hold of it; 0 if there is none.
  private var pieces = InlineArray<4, UInt8>(repeating: 0)
  /// The CPU's page-walk cache, which it shares with the guest's entries.
  private let pageWalks: RecencyArray?

  init(tlb: [TLBGeometry], structures: [Int: Int], _ pageWalks: RecencyArray? = nil) {
    self.pageWalks = pageWalks
    self.tlb = TLBLevel(tlb)
    self.structures = PagingStructureCaches(structures)
    hasTLB = !tlb.isEmpty
    let sizes = tlb.flatMap(\.pageSizes)
    for size in PageSize.allCases {
      pieces[Int(size.rawValue)] = sizes.filter { $0 <= size }.max()?.rawValue ?? 0
    }
  }

  @inline(__always) var hasStructures: Bool { !structures.isEmpty }

  /// The nested TLB's translation of a physical page, if it has one that suffices; one without D must not be written
  /// through.
  @inline(__always) mutating func translation(_ page: PPN, for needed: NestedRights) -> NestedTranslation? {
    guard hasTLB else { return nil }
    let data = tlb.find(page.raw, context: context)
    let rights = NestedRights(rawValue: UInt8(data & 15))
    let isDirty = data & TLBData.dirty != 0
    guard data != 0, rights.isSuperset(of: needed), isDirty || !needed.contains(.write) else { return nil }
    return NestedTranslation(
      frame: TLBData.frame(data, of: VPN(page.raw)), size: TLBData.size(data), rights: rights, isDirty: isDirty)
  }

  /// Enters what a nested walk found, or the piece of it that the arrays can hold.
  mutating func fill(_ page: PPN, _ found: NestedTranslation) {
    guard hasTLB, let piece = PageSize(rawValue: pieces[Int(found.size.rawValue)]) else { return }
    let size = UInt64(piece.rawValue)
    let data =
      piece.first(found.frame.raw) << 12 | size << 54 | size << 52 | (found.isDirty ? TLBData.dirty : 0)
      | UInt64(found.rights.rawValue)
    tlb.fill(page.raw, data: data, context: context, isNew: false)
  }

  /// A violation: drops what there is of one physical address.
  mutating func remove(_ address: PhysicalAddress) {
    tlb.remove(address.page.raw, context: context)
    structures.forEach { $0.remove(address, context: context) }
    pageWalks?.removeNestedEntries()
  }

  /// Enters the table that an entry, of the level that `entry` names, points to.
  func fill(_ address: PhysicalAddress, _ entry: WalkStart) { structures.fill(address, context: context, entry) }

  /// Where the caches of nested entries let a walk begin.
  @inline(__always) mutating func start(_ address: PhysicalAddress) -> WalkStart? {
    structures.start(address, context: context)
  }

  /// Drops everything.
  mutating func removeAll() {
    tlb.removeAll()
    structures.forEach { $0.removeAll { _ in true } }
    pageWalks?.removeNestedEntries()
  }

  /// Drops everything of one nested table.
  mutating func removeAll(of table: UInt64) {
    tlb.removeAll { $0.context == table }
    structures.forEach { $0.removeAll { $0 == table } }
    pageWalks?.removeNestedEntries()
  }
}
