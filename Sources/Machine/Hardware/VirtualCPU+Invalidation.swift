internal import Paging

/// What each operation must drop from the translation caches (SDM 3A 4.10.4.1), and no more than that.
extension VirtualCPU {
  private var pcid: UInt64 { context & TLBEntry.pcidMask }
  private var vpid: UInt64 { context & ~TLBEntry.pcidMask }

  @inline(__always) private mutating func removeEntries(where condition: (TLBEntry) -> Bool) {
    fetches.removeAll(where: condition)
    data.removeAll(where: condition)
    second.removeAll(where: condition)
    forgetLastPages()
  }

  private func removeStructures(where condition: (UInt64) -> Bool) {
    structures.forEach { $0.removeAll(where: condition) }
    pageWalks.removeAll()
  }

  /// INVLPG: the page in the current PCID, global or not, however it was fractured; all paging-structure entries of it.
  mutating func invalidate(_ page: VPN) {
    let context = context
    fetches.removeWhole(page, context: context)
    data.removeWhole(page, context: context)
    second.removeWhole(page, context: context)
    if guestControls.hasNarrowEntries { invalidateOtherHalf(of: page) }
    forgetLastPages()
    removeStructures { $0 == context }
  }

  /// A page of 4 MiB takes two entries of 2 MiB, as in processors that have no entries of 4 MiB (CPUID leaf 2, descriptor
  /// B1H), and perhaps many smaller ones: whatever is in the other half, and comes of a large page, goes too.
  private mutating func invalidateOtherHalf(of page: VPN) {
    let other = VPN(page.raw ^ PageSize.large.pages)
    let context = context
    let isLarge = { (entry: TLBEntry) in TLBData.guestSize(entry.data) > .small }
    fetches.removeWhole(other, context: context, where: isLarge)
    data.removeWhole(other, context: context, where: isLarge)
    second.removeWhole(other, context: context, where: isLarge)
  }

  /// INVPCID type 0: the page in one PCID, unless it is global; all paging-structure entries of that PCID.
  mutating func invalidate(_ page: VPN, pcid: UInt64) {
    let context = vpid | pcid
    let isLocal = { (entry: TLBEntry) in entry.data & TLBData.global == 0 }
    fetches.removeWhole(page, context: context, where: isLocal)
    data.removeWhole(page, context: context, where: isLocal)
    second.removeWhole(page, context: context, where: isLocal)
    forgetLastPages()
    removeStructures { $0 == context }
  }

  /// INVPCID type 1, and what a MOV to CR3 drops: everything of a PCID but for global pages.
  mutating func flush(pcid: UInt64) {
    let context = vpid | pcid
    removeEntries { $0.context == context && $0.data & TLBData.global == 0 }
    removeStructures { $0 == context }
  }

  /// INVPCID type 3: every PCID's, but for global pages.
  mutating func flushNonGlobal() {
    let vpid = vpid
    removeEntries { $0.context & ~TLBEntry.pcidMask == vpid && $0.data & TLBData.global == 0 }
    removeStructures { $0 & ~TLBEntry.pcidMask == vpid }
  }

  /// INVPCID type 2, a change of CR4.PGE, CR4.PCIDE or CR0.PG: everything.
  mutating func flushAll() {
    fetches.removeAll()
    data.removeAll()
    second.removeAll()
    removeStructures { _ in true }
    forgetLastPages()
  }

  /// What a page fault drops: the page's entries, and the paging-structure entries that its walk used.
  mutating func dropAfterFault(_ address: VirtualAddress) {
    let page = address.page.raw
    fetches.remove(page, context: context)
    data.remove(page, context: context)
    second.remove(page, context: context)
    forgetLastPages()
    structures.forEach { $0.remove(structurePrefix(address), context: context) }
    pageWalks.removeAll()
  }

  /// Takes the controls that the hardware obeys from now on; cached rights are judged anew.
  mutating func setHardwareControls(_ controls: PagingControls) {
    hardwareControls = controls
    chooseWalker()
    for raw in 0..<8 { allowedByRights[raw] = Rights(raw: UInt8(raw)).allowed(under: controls) }
    fetches.refresh(under: controls)
    data.refresh(under: controls)
    second.refresh(under: controls)
    forgetLastPages()
  }
}

extension TLBEntry {
  /// Global, so that it translates in every PCID of its VPID.
  func isGlobal(vpid: UInt64) -> Bool {
    data & TLBData.global != 0 && context & ~Self.pcidMask == vpid
  }
}
