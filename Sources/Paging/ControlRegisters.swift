/// The registers of one processor that decide how it translates addresses.
public struct ControlRegisters: Hashable, Sendable {
  public var cr0: UInt64
  public var cr3: UInt64
  public var cr4: UInt64
  public var efer: UInt64

  public init(cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64) {
    self.cr0 = cr0
    self.cr3 = cr3
    self.cr4 = cr4
    self.efer = efer
  }

  /// State of a scenario that loads nothing: paging, WP; PAE; long mode with NXE.
  public static var initial: ControlRegisters {
    ControlRegisters(cr0: 0x8005_0033, cr3: 0, cr4: 0x20, efer: 0xd01)
  }

  @inlinable public var isWriteProtected: Bool { cr0 & CR0.writeProtect != 0 }
  @inlinable public var hasGlobalPages: Bool { cr4 & CR4.globalPages != 0 }
  @inlinable public var hasPCID: Bool { cr4 & CR4.pcid != 0 }
  @inlinable public var hasSMEP: Bool { cr4 & CR4.smep != 0 }
  @inlinable public var hasSMAP: Bool { cr4 & CR4.smap != 0 }
  @inlinable public var hasNoExecute: Bool { efer & EFER.noExecute != 0 }
  @inlinable public var mode: PagingMode { PagingMode(self) }
  /// Levels of the paging structures: 4, or 5 with CR4.LA57; 3 with PAE paging, 2 with 32-bit paging, 0 without paging.
  @inlinable public var levels: Int { mode.levels }
  /// Tables are, or will be once paging is on, those of 32-bit paging.
  @inlinable public var hasNarrowTables: Bool { cr4 & CR4.pae == 0 && efer & EFER.longMode == 0 }
  /// The process-context identifier in use: CR3[11:0] with CR4.PCIDE, otherwise 0 (SDM 3A 4.10.1).
  @inlinable public var pcid: UInt16 { hasPCID ? UInt16(cr3 & 0xfff) : 0 }
  /// The page of the top-level table; with PAE paging, the one that holds the pointers.
  @inlinable public var root: PPN { PPN(cr3 >> 12 & 0xff_ffff_ffff) }
  /// PAE paging: where the four pointers lie, CR3[31:5] (SDM 3A table 4-7).
  @inlinable public var pointerTable: PhysicalAddress { PhysicalAddress(cr3 & 0xffff_ffe0) }
}

/// Bits of CR0.
public enum CR0 {
  /// NW and CD, bits 29 and 30: what caches do.
  @inlinable public static var caching: UInt64 { 3 << 29 }
  @inlinable public static var writeProtect: UInt64 { 1 << 16 }
  @inlinable public static var paging: UInt64 { 1 << 31 }
}

/// Bits of the value that is moved to CR3.
public enum CR3 {
  /// With CR4.PCIDE: keep what is cached for the new PCID. The bit is not stored (SDM 3A 4.10.4.1).
  @inlinable public static var noFlush: UInt64 { 1 << 63 }
}

/// Bits of CR4.
public enum CR4 {
  /// Pages of 4 MiB with 32-bit paging.
  @inlinable public static var pse: UInt64 { 1 << 4 }
  @inlinable public static var pae: UInt64 { 1 << 5 }
  @inlinable public static var globalPages: UInt64 { 1 << 7 }
  @inlinable public static var la57: UInt64 { 1 << 12 }
  @inlinable public static var pcid: UInt64 { 1 << 17 }
  @inlinable public static var smep: UInt64 { 1 << 20 }
  @inlinable public static var smap: UInt64 { 1 << 21 }
}

/// Bits of the EFER model-specific register.
public enum EFER {
  @inlinable public static var longMode: UInt64 { 1 << 8 }
  @inlinable public static var noExecute: UInt64 { 1 << 11 }
}

/// What a walk and a rights check need of the registers and of the processor, worked out once for each change.
public struct PagingControls: Hashable, Sendable {
  /// Levels of the paging structures, as ``ControlRegisters/levels``.
  public var levels: Int
  /// Entries of level 2 may map pages: always, but for 32-bit paging without CR4.PSE.
  public var hasLargePages: Bool
  public var isWriteProtected: Bool
  public var hasSMEP: Bool
  /// CR4.SMAP is set and EFLAGS.AC is clear: supervisor data accesses to user pages fault.
  public var hasSMAP: Bool
  /// Leaf entries at level 3 are allowed.
  public var hasHugePages: Bool
  public var hasGlobalPages: Bool
  /// Instruction fetches show in error codes.
  public var reportsFetch: Bool
  /// Bits that are reserved in a present entry of any level (32-bit paging: in the form of 8 bytes).
  public var reservedMask: UInt64
  /// The guest's kernel runs at CPL 3 as its processes do: all of its accesses are user accesses to the hardware.
  public var isKernelUnprivileged = false

  /// Tables have 1024 entries of 4 bytes: 32-bit paging.
  @inlinable public var hasNarrowEntries: Bool { levels == 2 }

  public init(
    _ registers: ControlRegisters, maxPhysicalAddressBits: Int, hasHugePages: Bool, alignmentCheckFlag: Bool
  ) {
    let mode = registers.mode
    levels = mode.levels
    hasLargePages = mode != .bits32 || registers.cr4 & CR4.pse != 0
    isWriteProtected = registers.isWriteProtected
    hasSMEP = registers.hasSMEP && mode != .off
    hasSMAP = registers.hasSMAP && mode != .off && !alignmentCheckFlag
    self.hasHugePages = hasHugePages
    hasGlobalPages = registers.hasGlobalPages
    let hasNoExecute = registers.hasNoExecute && mode != .bits32
    reportsFetch = hasSMEP || hasNoExecute
    // PAE paging reserves bits 62…52 besides; a 4 MiB page has at most 40 address bits, and the upper half of no 4-byte
    // entry is anything else (SDM 3A tables 4-4, 4-8 to 4-11).
    let first = mode == .bits32 ? min(maxPhysicalAddressBits, 40) : maxPhysicalAddressBits
    let end: UInt64 = mode == .bits32 || mode == .pae ? 63 : 52
    reservedMask = ((1 << end) - (1 << UInt64(first))) | (hasNoExecute ? 0 : 1 << 63)
  }
}
