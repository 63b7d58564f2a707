/// How the processor translates addresses (SDM 3A 4.1.1, table 4-1); the raw value is the number of table levels in memory.
public enum PagingMode: UInt8, CaseIterable, Hashable, Sendable {
  /// CR0.PG is clear: linear addresses are physical ones.
  case off = 0
  /// 32-bit paging: CR4.PAE is clear; two levels of 1024 entries of 4 bytes each.
  case bits32 = 2
  /// PAE paging: two levels of 512 entries of 8 bytes each, below four pointers that a CR3 load puts in registers.
  case pae = 3
  case fourLevel = 4
  case fiveLevel = 5

  /// The mode that CR0.PG, CR4.PAE, EFER.LME and CR4.LA57 select.
  @inlinable public init(_ registers: ControlRegisters) {
    guard registers.cr0 & CR0.paging != 0 else {
      self = .off
      return
    }
    if registers.efer & EFER.longMode != 0 {
      self = registers.cr4 & CR4.la57 != 0 ? .fiveLevel : .fourLevel
    } else {
      self = registers.cr4 & CR4.pae != 0 ? .pae : .bits32
    }
  }

  @inlinable public var levels: Int { Int(rawValue) }
}

/// The tables of 32-bit paging (SDM 3A 4.3): entries of 4 bytes, brought into the form of the 8-byte ones so that walks and
/// checks are the same.
public enum NarrowPaging {
  /// Offset in bytes of an address's entry in the table of a level (1 = PT, 2 = PD): ten bits of the address each.
  @inlinable public static func offset(_ address: VirtualAddress, level: Int) -> UInt64 {
    (address.raw &>> UInt64(2 + 10 * level) & 1023) &<< 2
  }

  /// An entry as one of an 8-byte format. Of a 4 MiB page it maps the 2 MiB that hold the address; its address bits 39…32
  /// are the entry's bits 20…13 (PSE-36, SDM 3A table 4-4), and its bit 21, which must be 0, becomes bit 62, which is
  /// reserved in every format that has 4-byte entries beside it. Without CR4.PSE, bit 7 of a level-2 entry means nothing.
  @inlinable public static func widened<Target>(
    _ raw: UInt64, level: Int, _ address: VirtualAddress, under controls: PagingControls
  ) -> PageTableEntry<Target> {
    guard level == 2, raw & EntryFlags.pageSize.rawValue != 0 else { return PageTableEntry(raw) }
    guard controls.hasLargePages else { return PageTableEntry(raw & ~EntryFlags.pageSize.rawValue) }
    let flags = raw & 0xffc0_1fff
    let high = (raw >> 13 & 0xff) << 32
    return PageTableEntry(flags | high | address.raw & 0x20_0000 | (raw >> 21 & 1) << 62)
  }
}
