/// One 8-byte paging-structure entry of 4- or 5-level paging (SDM 3A 4.5, tables 4-15 to 4-20); `Target` is the space of
/// the frame that it names: physical in a guest's tables, machine in a hypervisor's and in those the hardware walks.
public struct PageTableEntry<Target>: Hashable, Sendable {
  public var raw: UInt64
  @inlinable public init(_ raw: UInt64) { self.raw = raw }

  /// An entry that names a frame, with the given flags.
  @inlinable public init(frame: PageNumber<Target>, _ flags: EntryFlags) { raw = frame.raw &<< 12 | flags.rawValue }

  @inlinable public var isPresent: Bool { raw & 1 != 0 }
  @inlinable public var isWritable: Bool { raw & 2 != 0 }
  @inlinable public var isUser: Bool { raw & 4 != 0 }
  @inlinable public var isAccessed: Bool { raw & 0x20 != 0 }
  @inlinable public var isDirty: Bool { raw & 0x40 != 0 }
  @inlinable public var isGlobal: Bool { raw & 0x100 != 0 }
  @inlinable public var isNoExecute: Bool { raw >> 63 != 0 }
  /// Bit 7: at levels 2 and 3 the entry maps a large page; at level 1 the bit is PAT.
  @inlinable public var hasPageSize: Bool { raw & 0x80 != 0 }

  /// Whether the entry ends a walk at this level.
  @inlinable public func isLeaf(level: Int) -> Bool { level == 1 || hasPageSize && level <= 3 }
  /// Whether the entry is present and points to a table of the level below.
  @inlinable public func pointsToTable(level: Int) -> Bool { isPresent && !isLeaf(level: level) }

  /// Frame of the table below, or of a 4 KiB page: bits 51…12.
  @inlinable public var frame: PageNumber<Target> { PageNumber(raw &>> 12 & 0xff_ffff_ffff) }
  /// First frame of the page that a leaf of this size maps; the address bits below the size (PAT among them) are cut.
  @inlinable public func frame(of size: PageSize) -> PageNumber<Target> {
    PageNumber((frame.raw &>> size.pageShift) &<< size.pageShift)
  }

  @inlinable public func setting(_ flags: EntryFlags) -> PageTableEntry { PageTableEntry(raw | flags.rawValue) }
  @inlinable public func clearing(_ flags: EntryFlags) -> PageTableEntry { PageTableEntry(raw & ~flags.rawValue) }
  @inlinable public func contains(_ flags: EntryFlags) -> Bool { raw & flags.rawValue == flags.rawValue }

  /// The reserved bits that are set, 0 if none (SDM 3A 4.5.1): meaningful in a present entry only.
  ///
  /// Bit 7 is reserved at levels 4 and 5, and at level 3 without 1 GiB pages; a large leaf reserves the address bits
  /// below its size but for PAT (bit 12); bits 51 down to MAXPHYADDR are reserved; bit 63 is without EFER.NXE.
  @inlinable public func reservedBits(level: Int, under controls: PagingControls) -> UInt64 {
    var reserved = controls.reservedMask
    if hasPageSize {
      switch level {
      case 1: break
      case 2: reserved |= 0x1f_e000
      case 3: reserved |= controls.hasHugePages ? 0x3fff_e000 : 0x80
      default: reserved |= 0x80
      }
    }
    return raw & reserved
  }
}

extension PageTableEntry {
  /// The reserved bits that are set in a pointer of PAE paging: 1, 2, 5 to 8, and all from MAXPHYADDR up (SDM 3A table
  /// 4-8). Meaningful in a present one only; it grants everything and has no A.
  @inlinable public func reservedPointerBits(maxPhysicalAddressBits bits: Int) -> UInt64 {
    raw & (0x1e6 | ~((1 << UInt64(bits)) - 1))
  }
}

/// Flag bits of a paging-structure entry.
public struct EntryFlags: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64
  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

  @inlinable public static var present: EntryFlags { EntryFlags(rawValue: 1 << 0) }
  @inlinable public static var writable: EntryFlags { EntryFlags(rawValue: 1 << 1) }
  @inlinable public static var user: EntryFlags { EntryFlags(rawValue: 1 << 2) }
  @inlinable public static var accessed: EntryFlags { EntryFlags(rawValue: 1 << 5) }
  @inlinable public static var dirty: EntryFlags { EntryFlags(rawValue: 1 << 6) }
  /// Bit 7 of a level 2 or 3 entry: it maps a large page.
  @inlinable public static var pageSize: EntryFlags { EntryFlags(rawValue: 1 << 7) }
  @inlinable public static var global: EntryFlags { EntryFlags(rawValue: 1 << 8) }
  /// The first bit that hardware leaves to software.
  @inlinable public static var software0: EntryFlags { EntryFlags(rawValue: 1 << 9) }
  @inlinable public static var software1: EntryFlags { EntryFlags(rawValue: 1 << 10) }
  @inlinable public static var software2: EntryFlags { EntryFlags(rawValue: 1 << 11) }
  @inlinable public static var noExecute: EntryFlags { EntryFlags(rawValue: 1 << 63) }
}
