internal import Paging

/// What can be chosen of nested paging, by the keys `nested.…`.
struct NestedSettings: Hashable, Sendable {
  var format = NestedFormat.ept
  /// The processor allows EPT entries that grant X alone (IA32_VMX_EPT_VPID_CAP bit 0).
  var hasExecuteOnly = true
  /// EPTP bit 6: A and D of EPT entries are maintained. NPT always does.
  var hasAccessedDirty = false
  /// EPT: fetches from user-mode addresses need a right of their own (mode-based execute control, SDM 3C 26.6.2).
  var hasModeBasedExecute = false
  /// EPT violations tell the guest's rights of the page (IA32_VMX_EPT_VPID_CAP bit 22).
  var reportsGuestRights = false
  /// NPT: EFER.NXE of the host, without which bit 63 of a nested entry is reserved.
  var hasHostNoExecute = true
  /// Levels of the nested table: 4 and 5 as the architecture has them, 2 flattened, 1 flat.
  var levels = 4
  /// The largest page that the hypervisor maps.
  var page = PageSize.small
  /// The TLB's entries are tagged by guest; without, every exit flushes them (SDM 3C 29.4.3.1).
  var hasVPID = true
  /// The nested TLB answers for pages of the guest's tables alone, as Bhargava et al. have it; not for the final page.
  var isTLBForTablesOnly = false
  /// So do the paging-structure caches of nested entries, as DMT's simulator has it.
  var areStructuresForTablesOnly = false
}

/// Which of a machine's caches of walks there are.
enum WalkCaches: Hashable, Sendable {
  case all
  /// Paging-structure caches, but nothing of the nested table.
  case guest
  /// None, nor caches for the walker's references: the textbook's machine, but for the TLBs.
  case none
}

extension Settings {
  /// The keys of nested paging.
  static let nestedKeys: [Key] = [
    .word("nested.format", ["ept", "npt"], "the nested table is Intel's EPT, or AMD's NPT") {
      $0.nested.format = $1 == 0 ? .ept : .npt
    },
    .word(
      "nested.execute-only", ["on", "off"],
      "EPT entries may grant execution alone; off: such an entry is a misconfiguration"
    ) { $0.nested.hasExecuteOnly = $1 == 0 },
    .word(
      "nested.ad", ["off", "on"],
      "accessed and dirty bits of EPT entries; on: the guest's tables are read as if written (NPT: always on)"
    ) { $0.nested.hasAccessedDirty = $1 == 1 },
    .word(
      "nested.mbec", ["off", "on"],
      "EPT entries have two rights to execute: bit 2 for supervisor-mode addresses, bit 10 for user-mode ones"
    ) { $0.nested.hasModeBasedExecute = $1 == 1 },
    .word(
      "nested.qualification", ["basic", "advanced"],
      "exit qualification of EPT violations; advanced: bits 9 to 11 tell the guest's rights of the page"
    ) { $0.nested.reportsGuestRights = $1 == 1 },
    .word(
      "nested.host-nx", ["on", "off"], "EFER.NXE of the host; off: bit 63 of an NPT entry is reserved"
    ) { $0.nested.hasHostNoExecute = $1 == 0 },
    .word(
      "nested.levels", ["4", "5", "2", "1"],
      "levels of the nested table; 2: flattened, of 2 MiB tables; 1: flat, one array of all pages"
    ) { $0.nested.levels = [4, 5, 2, 1][$1] },
    .word(
      "nested.page", ["4K", "2M", "1G"],
      "largest page of the nested table; smaller ones where RAM does not fill a page"
    ) { $0.nested.page = PageSize.allCases[$1] },
    .word(
      "nested.vpid", ["on", "off"],
      "tag TLB entries by virtual processor; off: each exit flushes them"
    ) { $0.nested.hasVPID = $1 == 0 },
    .word(
      "nested.tlb", ["all", "tables"],
      "what the nested TLB answers for: every physical page, or those of the guest's tables alone"
    ) { $0.nested.isTLBForTablesOnly = $1 == 1 },
    .word(
      "nested.structures", ["all", "tables"],
      "what the nested paging-structure caches answer for: every physical page, or those of the guest's tables alone"
    ) { $0.nested.areStructuresForTablesOnly = $1 == 1 },
    .word(
      "walk.cache", ["all", "guest", "none"],
      "the caches that shorten walks; guest: none of the nested table; none: as the textbook counts"
    ) { $0.walkCaches = [.all, .guest, .none][$1] },
  ]
}
