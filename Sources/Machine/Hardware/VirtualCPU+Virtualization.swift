internal import Paging

/// Who makes translations, as far as tags tell: besides the PCID, the VPID (AMD: the ASID) and the nested table, whose
/// address is the EP4TA of combined mappings (SDM 3C 29.4.1). Without a nested table, mappings are linear.
struct TranslationOwner: Hashable {
  let vpid: UInt64
  /// Number of the nested table, 0 without nested paging.
  let nestedTable: UInt64

  /// VPIDs that guests may have: 1 up to this.
  static var vpids: UInt64 { 7 }
  /// Nested tables that tags tell apart: 1 up to this.
  static var nestedTables: UInt64 { 3 }

  init(vpid: UInt64 = 0, nestedTable: UInt64 = 0) {
    self.vpid = vpid & 7
    self.nestedTable = nestedTable & 3
  }

  /// That of a tag's context.
  init(context: UInt64) { self.init(vpid: context >> 12, nestedTable: context >> 15) }

  /// Its part of a context.
  var raw: UInt64 { nestedTable << 15 | vpid << 12 }
}

/// INVVPID (SDM 3C 31.3): combined and linear mappings, whatever their PCID and nested table.
enum VPIDInvalidation {
  /// Type 0, of one address.
  case address(VirtualAddress, vpid: UInt64)
  /// Type 1.
  case context(UInt64)
  /// Type 2: of all VPIDs but 0.
  case allContexts
  /// Type 3: type 1, but for global pages.
  case contextKeepingGlobals(UInt64)
}

/// INVEPT (SDM 3C 31.3): guest-physical and combined mappings, whatever their VPID and PCID.
enum EPTInvalidation {
  /// Type 1: of one nested table.
  case table(UInt64)
  /// Type 2.
  case allTables
}

/// TLB_CONTROL of a virtual machine control block (AMD APM 2 15.16.2): mappings of all kinds.
enum TLBControl: UInt8 {
  case flushAll = 1
  case flushASID = 3
  case flushASIDNonGlobal = 7
}

/// What a hypervisor's operations drop (SDM 3C 29.4.3.1), and no more than that; the page-walk cache, which has no such
/// tags, they empty.
extension VirtualCPU {
  /// Returns false if the instruction fails, which drops nothing: VPID 0 cannot be named, nor can an address that is not
  /// canonical.
  @discardableResult
  mutating func invvpid(_ operation: VPIDInvalidation) -> Bool {
    switch operation {
    case .address(let address, let vpid):
      guard vpid != 0, address.isCanonical(levels: registers.levels) else { return false }
      remove(address, vpid: vpid)
    case .context(let vpid):
      guard vpid != 0 else { return false }
      removeEntries { TranslationOwner(context: $0.context).vpid == vpid }
      removeStructures { TranslationOwner(context: $0).vpid == vpid }
    case .allContexts:
      removeEntries { TranslationOwner(context: $0.context).vpid != 0 }
      removeStructures { TranslationOwner(context: $0).vpid != 0 }
    case .contextKeepingGlobals(let vpid):
      guard vpid != 0 else { return false }
      removeEntries { TranslationOwner(context: $0.context).vpid == vpid && $0.data & TLBData.global == 0 }
      removeStructures { TranslationOwner(context: $0).vpid == vpid }
    }
    return true
  }

  mutating func invept(_ operation: EPTInvalidation) {
    switch operation {
    case .table(let table):
      guard table != 0 else { return }
      removeEntries { TranslationOwner(context: $0.context).nestedTable == table }
      removeStructures { TranslationOwner(context: $0).nestedTable == table }
      nested.removeAll(of: table)
    case .allTables:
      removeEntries { TranslationOwner(context: $0.context).nestedTable != 0 }
      removeStructures { TranslationOwner(context: $0).nestedTable != 0 }
      nested.removeAll()
    }
  }

  /// A VM entry or exit without VPID: linear and combined mappings of VPID 0.
  mutating func crossedWithoutVPID() {
    removeEntries { TranslationOwner(context: $0.context).vpid == 0 }
    removeStructures { TranslationOwner(context: $0).vpid == 0 }
  }

  /// INVLPGA (AMD APM 3): one address in one ASID, global or not.
  mutating func invlpga(_ address: VirtualAddress, asid: UInt64) {
    remove(address, vpid: asid)
  }

  /// Drops one address, with the other half of a page of 4 MiB, whatever its PCID and nested table.
  private mutating func remove(_ address: VirtualAddress, vpid: UInt64) {
    let isNarrow = guestControls.hasNarrowEntries
    let other = VPN(address.page.raw ^ PageSize.large.pages)
    if isNarrow { dropLog?.note(other) }
    removeEntries(of: address.page) { entry in
      guard TranslationOwner(context: entry.context).vpid == vpid else { return false }
      let isOtherHalf = isNarrow && TLBData.guestSize(entry.data) > .small && entry.covers(other)
      return entry.covers(address.page) || isOtherHalf
    }
    structures.forEach { $0.remove(structurePrefix(address)) { TranslationOwner(context: $0).vpid == vpid } }
    pageWalks.removeAll()
  }

  /// What VMRUN drops for a guest of an ASID, which has one nested table.
  mutating func flush(_ control: TLBControl, _ owner: TranslationOwner) {
    switch control {
    case .flushAll:
      removeEntries { _ in true }
      removeStructures { _ in true }
      nested.removeAll()
    case .flushASID, .flushASIDNonGlobal:
      let keepsGlobals = control == .flushASIDNonGlobal
      removeEntries {
        TranslationOwner(context: $0.context).vpid == owner.vpid && !(keepsGlobals && $0.data & TLBData.global != 0)
      }
      removeStructures { TranslationOwner(context: $0).vpid == owner.vpid }
      nested.removeAll(of: owner.nestedTable)
    }
  }
}
