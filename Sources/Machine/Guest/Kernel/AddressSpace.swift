internal import Paging

/// The memory of one process (Linux, `struct mm_struct`).
struct AddressSpace {
  var root: PPN
  /// Its process-context identifier, 0 without PCIDs.
  var pcid: UInt64
  var mappings = MappingList()
  /// Processors may have translations cached that its tables no longer give.
  var needsFlush = true
  /// Pages of tables, the top-level one included.
  var tables = 1

  /// The page after the last that a program may use: the lower half of 48 bits.
  static var end: UInt64 { 1 << 35 }
}

/// Where an address space's tables lead for a page: down to the first entry that is not a link.
struct TablePath {
  var place: PhysicalAddress
  /// Of the table that the entry is in.
  var level: Int
  var entry: KernelEntry
}

/// An entry as the kernel writes it. What is not present is its own affair: 0, a page in the swap area, or a page that
/// nobody may access for the time being.
struct KernelEntry {
  var raw: UInt64
  var paging: PageTableEntry<PhysicalSpace> { PageTableEntry(raw) }

  init(_ raw: UInt64) { self.raw = raw }

  /// A page in the swap area.
  init(slot: Int) { raw = UInt64(slot) << 12 | Self.inSwap.rawValue }

  private static var inSwap: EntryFlags { .software0 }
  /// Bit 8 of an entry that is not present (Linux, `_PAGE_PROTNONE`).
  private static var noAccess: EntryFlags { .global }

  /// A link to a table of user pages, and of the kernel's (Linux, `_PAGE_TABLE`, `_KERNPG_TABLE`).
  static var link: EntryFlags { [.present, .writable, .user, .accessed, .dirty] }
  static var kernelLink: EntryFlags { [.present, .writable, .accessed, .dirty] }

  /// A 4 KiB page of a mapping. A is set from the start, as by Linux on x86; so is D with `isDirty`.
  init(_ frame: PPN, _ rights: MappingRights, isWritable: Bool, isDirty: Bool) {
    var flags: EntryFlags = [.present, .user, .accessed]
    if isWritable { flags.insert(.writable) }
    if isDirty { flags.insert(.dirty) }
    if !rights.isExecutable { flags.insert(.noExecute) }
    raw = PageTableEntry(frame: frame, flags).raw
  }

  var isPresent: Bool { raw & 1 != 0 }
  var isEmpty: Bool { raw == 0 }
  var slot: Int? { raw & 1 == 0 && raw & Self.inSwap.rawValue != 0 ? Int(raw >> 12) : nil }
  var isHidden: Bool { raw & 1 == 0 && raw & Self.noAccess.rawValue != 0 }
  /// Names a frame, whether or not it may be accessed.
  var hasFrame: Bool { isPresent || isHidden }

  /// The same page for nobody to access.
  var hidden: KernelEntry {
    KernelEntry(paging.clearing([.present, .writable]).setting(Self.noAccess).raw)
  }

  /// The same page with a mapping's rights; it stays read-only unless `isWritable`.
  func with(_ rights: MappingRights, isWritable: Bool) -> KernelEntry {
    guard rights.isReadable else { return hidden }
    var entry = paging.clearing([.writable, .noExecute])
    if isHidden { entry = entry.clearing(Self.noAccess) }
    entry = entry.setting([.present, .user])
    if isWritable { entry = entry.setting(.writable) }
    if !rights.isExecutable { entry = entry.setting(.noExecute) }
    return KernelEntry(entry.raw)
  }

  /// The change takes a right away, or leads elsewhere: a TLB must not go on with the old one (SDM 3A 4.10.4.2).
  func needsFlush(to new: KernelEntry) -> Bool {
    guard isPresent else { return false }
    let lost = raw & ~new.raw & 7 != 0 || new.raw & ~raw >> 63 != 0
    return lost || (raw ^ new.raw) & 0xf_ffff_ffff_f000 != 0
  }
}
