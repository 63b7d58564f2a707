internal import Paging

/// What a completed walk found: what the TLB keeps.
struct Translation: Equatable {
  /// First frame of the page.
  var frame: MPN
  /// Size of the page in the TLB: the smallest of the dimensions that were walked.
  var size: PageSize
  /// Size of the guest's own page, which one INVLPG must drop whole.
  var guestSize: PageSize
  var rights: Rights
  /// The leaf's D bit is set, so stores need no further walk.
  var isDirty: Bool
  /// G of the leaf, with CR4.PGE.
  var isGlobal: Bool
  /// Accesses that the nested dimension refuses, whatever the guest's tables and registers say (``Access/bit``s).
  var refused: UInt64 = 0

  /// The 4 KiB frame of one virtual page inside.
  func frame(of page: VPN) -> MPN { MPN(frame.raw + page.raw % size.pages) }
}

/// One TLB entry in 16 bytes: `tag` decides the match in one comparison, `data` what it grants.
///
/// Tag, from the top: page number in units of the page's size (45 bits: 57-bit addresses), size (2), nested table (2), VPID
/// (3), PCID (12): see ``TranslationOwner``.
/// No valid tag is 0, since sizes start at 1.
struct TLBEntry: BitwiseCopyable {
  var tag: UInt64
  var data: UInt64

  static var empty: TLBEntry { TLBEntry(tag: 0, data: 0) }
  static var pcidMask: UInt64 { 0xfff }
  static var contextMask: UInt64 { 0x1ffff }

  /// Tag of the page of a size that holds a 4 KiB page, in a context of nested table, VPID and PCID.
  @inline(__always) static func tag(_ page: UInt64, _ size: PageSize, context: UInt64) -> UInt64 {
    (page &>> size.pageShift) &<< 19 | UInt64(size.rawValue) &<< 17 | context
  }

  @inline(__always) var size: PageSize { PageSize(rawValue: UInt8(tag >> 17 & 3)) ?? .small }
  /// The entry's nested table, VPID and PCID.
  @inline(__always) var context: UInt64 { tag & Self.contextMask }

  /// Whether the entry has the tag, its PCID set aside if it is global.
  @inline(__always) func matches(_ tag: UInt64) -> Bool {
    let difference = self.tag ^ tag
    return difference <= Self.pcidMask && (difference == 0 || data & TLBData.global != 0)
  }

  /// Whether an INVLPG of a page must drop the entry, context aside.
  func covers(_ page: VPN) -> Bool {
    let size = max(self.size, TLBData.guestSize(data))
    let first = (tag >> 19) << self.size.pageShift
    // A tag of small pages has lost the bits above the 57th of an address, one of larger pages has not.
    return ((first ^ page.raw) & 0x1fff_ffff_ffff) >> size.pageShift == 0
  }
}

/// The layout of ``TLBEntry/data``: bits 0…6 the allowed accesses (``Access/bit``), 7…9 the rights, 10 D, 11 G, 12…51 the
/// frame's address, 52…53 the size of the guest's page, 54…55 the entry's own, 56…62 the accesses that the nested dimension
/// refuses. Stores are not among the allowed while D is clear.
enum TLBData {
  static var allowed: UInt64 { 0x7f }
  static var stores: UInt64 { 0x22 }
  static var dirty: UInt64 { 1 << 10 }
  static var global: UInt64 { 1 << 11 }

  /// `allowed` is what the translation's rights allow; stores need D besides.
  static func make(_ translation: Translation, allowed: UInt64) -> UInt64 {
    let flags = (translation.isDirty ? dirty : 0) | (translation.isGlobal ? global : 0)
    let sizes = UInt64(translation.guestSize.rawValue) << 52 | UInt64(translation.size.rawValue) << 54
    let granted = (translation.isDirty ? allowed : allowed & ~stores) & ~translation.refused
    let rights = UInt64(translation.rights.raw) << 7 | translation.refused << 56
    return granted | rights | flags | translation.frame.raw << 12 | sizes
  }

  /// The same of a leaf that nothing but its own rights and those above restricts.
  @inline(__always)
  static func make(
    _ leaf: PageTableEntry<MachineSpace>, _ size: PageSize, _ rights: Rights, allowed: UInt64, isGlobal: Bool
  ) -> UInt64 {
    let granted = leaf.isDirty ? allowed | dirty : allowed & ~stores
    let sizes = UInt64(size.rawValue) &* (1 << 52 | 1 << 54)
    return granted | UInt64(rights.raw) &<< 7 | (isGlobal ? global : 0) | leaf.frame(of: size).raw &<< 12 | sizes
  }

  /// Whether both the entry and the guest's page are small.
  @inline(__always) static func isSmall(_ data: UInt64) -> Bool {
    data &>> 52 & 15 == UInt64(PageSize.small.rawValue) &* 5
  }

  /// The same entry with the allowed accesses worked out again, after a control register has changed.
  static func refreshed(_ data: UInt64, under controls: PagingControls) -> UInt64 {
    var allowed = rights(data).allowed(under: controls)
    if data & dirty == 0 { allowed &= ~stores }
    allowed &= ~(data >> 56 & TLBData.allowed)
    return data & ~TLBData.allowed | allowed
  }

  static func rights(_ data: UInt64) -> Rights { Rights(raw: UInt8(data >> 7 & 7)) }
  static func frame(_ data: UInt64) -> MPN { MPN(data >> 12 & 0xff_ffff_ffff) }
  static func size(_ data: UInt64) -> PageSize { PageSize(rawValue: UInt8(data >> 54 & 3)) ?? .small }
  /// The 4 KiB frame that the entry gives for a page.
  static func frame(_ data: UInt64, of page: VPN) -> MPN { MPN(frame(data).raw + page.raw % size(data).pages) }
  static func guestSize(_ data: UInt64) -> PageSize { PageSize(rawValue: UInt8(data >> 52 & 3)) ?? .small }
}
