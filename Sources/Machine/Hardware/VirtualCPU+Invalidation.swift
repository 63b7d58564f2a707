internal import Paging

/// What each operation must drop from the translation caches (SDM 3A 4.10.4.1), and no more than that.
extension VirtualCPU {
  private var pcid: UInt64 { context & TLBEntry.pcidMask }

  /// Whether a context is of the VPID that runs; the guest's operations drop combined mappings of any nested table
  /// (SDM 3C 29.4.3.1).
  private func isOwn(_ context: UInt64) -> Bool { (context ^ self.context) >> 12 & 7 == 0 }

  private func isOwn(_ context: UInt64, pcid: UInt64) -> Bool {
    isOwn(context) && context & TLBEntry.pcidMask == pcid
  }

  /// `page`: the page of which alone entries go, with all that is in the same 2 MiB; nil: there may be others.
  @inline(__always)
  mutating func removeEntries(of page: VPN? = nil, where condition: (TLBEntry) -> Bool) {
    dropLog?.note(page)
    fetches.removeAll(where: condition)
    data.removeAll(where: condition)
    second.removeAll(where: condition)
    reuse?.removeAll(where: condition)
  }

  func removeStructures(where condition: (UInt64) -> Bool) {
    structures.forEach { $0.removeAll(where: condition) }
    pageWalks.removeAll()
  }

  /// INVLPG: the page in the current PCID, global or not, however it was fractured; all paging-structure entries of it.
  mutating func invalidate(_ page: VPN) {
    let pcid = pcid
    removeWhole(page, pcid: pcid) { _ in true }
    if guestControls.hasNarrowEntries {
      // A page of 4 MiB takes two entries of 2 MiB, as in processors that have no entries of 4 MiB (CPUID leaf 2,
      // descriptor B1H), and perhaps many smaller ones: whatever is in the other half, and comes of a large page, goes too.
      removeWhole(VPN(page.raw ^ PageSize.large.pages), pcid: pcid) { TLBData.guestSize($0.data) > .small }
    }
    removeStructures { isOwn($0, pcid: pcid) }
    softwareTLB?.remove(page.raw, context: pcid)
  }

  /// INVPCID type 0: the page in one PCID, unless it is global; all paging-structure entries of that PCID.
  mutating func invalidate(_ page: VPN, pcid: UInt64) {
    removeWhole(page, pcid: pcid) { $0.data & TLBData.global == 0 }
    softwareTLB?.remove(page.raw, context: pcid)
    removeStructures { isOwn($0, pcid: pcid) }
  }

  private mutating func removeWhole(_ page: VPN, pcid: UInt64, where condition: (TLBEntry) -> Bool) {
    dropLog?.note(page)
    for table in nestedTables {
      let context = TranslationOwner(vpid: owner.vpid, nestedTable: table).raw | pcid
      fetches.removeWhole(page, context: context, where: condition)
      data.removeWhole(page, context: context, where: condition)
      second.removeWhole(page, context: context, where: condition)
      reuse?.remove(page.raw, context: context, where: condition)
    }
  }

  /// INVPCID type 1, and what a MOV to CR3 drops: everything of a PCID but for global pages.
  mutating func flush(pcid: UInt64) {
    let current = context
    removeEntries {
      ($0.context ^ current) >> 12 & 7 == 0 && $0.context & TLBEntry.pcidMask == pcid && $0.data & TLBData.global == 0
    }
    removeStructures { isOwn($0, pcid: pcid) }
    softwareTLB?.removeAll(context: pcid)
  }

  /// INVPCID type 3: every PCID's, but for global pages.
  mutating func flushNonGlobal() {
    let current = context
    removeEntries { ($0.context ^ current) >> 12 & 7 == 0 && $0.data & TLBData.global == 0 }
    removeStructures { isOwn($0) }
    softwareTLB?.removeAll()
  }

  /// INVPCID type 2, a change of CR4.PGE, CR4.PCIDE or CR0.PG: everything of the VPID. A hypervisor that tags nothing:
  /// everything.
  mutating func flushAll() {
    dropLog?.noteFlush()
    if owner == TranslationOwner() {
      fetches.removeAll()
      data.removeAll()
      second.removeAll()
      reuse?.removeAll()
      removeStructures { _ in true }
    } else {
      let current = context
      removeEntries { ($0.context ^ current) >> 12 & 7 == 0 }
      removeStructures { isOwn($0) }
    }
    softwareTLB?.removeAll()
  }

  /// What a page fault drops: the page's entries, and the paging-structure entries that its walk used.
  mutating func dropAfterFault(_ address: VirtualAddress, _ access: Access? = nil) {
    dropLog?.note(address.page)
    let page = address.page.raw
    fetches.remove(page, context: context)
    data.remove(page, context: context)
    second.remove(page, context: context)
    reuse?.remove(page, context: context, fault: access)
    structures.forEach { $0.remove(structurePrefix(address), context: context) }
    pageWalks.removeAll()
  }

  /// Takes the controls that the hardware obeys from now on; cached rights are judged anew.
  mutating func setHardwareControls(_ controls: PagingControls) {
    dropLog?.note(nil)
    hardwareControls = controls
    chooseWalker()
    for raw in 0..<8 { allowedByRights[raw] = Rights(raw: UInt8(raw)).allowed(under: controls) }
    fetches.refresh(under: controls)
    data.refresh(under: controls)
    second.refresh(under: controls)
    softwareTLB?.removeAll()
    if reuse != nil {
      reuse?.refresh(under: controls)
      // The filter's entries now allow what theirs alone do, not what those of all sizes do.
      fetches.removeAll()
      data.removeAll()
    }
  }
}

extension TLBEntry {
  /// Global, so that it translates in every PCID of its VPID.
  func isGlobal(vpid: UInt64) -> Bool {
    data & TLBData.global != 0 && context & ~Self.pcidMask == vpid
  }
}
