internal import Paging

/// How the processor reads a nested entry: which it accepts, what they grant, and what it tells if one refuses.
struct NestedEntryRules {
  let format: NestedFormat
  let hasExecuteOnly: Bool
  /// EPT: mode-based execute control.
  let hasModeBasedExecute: Bool
  /// EPT: violations tell the guest's rights.
  private let reportsGuestRights: Bool
  /// A and D are maintained.
  let hasAccessedDirty: Bool
  /// NPT: the host's controls, which the nested walk obeys whatever the guest's are (AMD APM 2 15.25.3).
  private let host: PagingControls
  /// Bits 51 down to MAXPHYADDR.
  private let reservedAddress: UInt64

  init(_ settings: NestedSettings, maxPhysicalAddressBits bits: Int) {
    format = settings.format
    hasExecuteOnly = settings.hasExecuteOnly
    hasModeBasedExecute = settings.hasModeBasedExecute && settings.format == .ept
    reportsGuestRights = settings.reportsGuestRights
    hasAccessedDirty = settings.hasAccessedDirty || settings.format == .npt
    var registers = ControlRegisters.initial
    if !settings.hasHostNoExecute { registers.efer &= ~EFER.noExecute }
    host = PagingControls(
      registers, maxPhysicalAddressBits: bits, hasHugePages: true, alignmentCheckFlag: false)
    reservedAddress = (1 << 52) - (1 << UInt64(bits))
  }

  enum Verdict {
    case absent
    /// EPT: misconfigured. NPT: a reserved bit is set.
    case malformed
    case table(NestedRights)
    case leaf(NestedRights)
  }

  /// Reads an entry; `level` as the architecture counts: 2 can map 2 MiB, 3 can map 1 GiB.
  @inline(__always) func judge(_ entry: UInt64, level: Int) -> Verdict {
    format == .ept ? judgeEPT(entry, level: level) : judgeNPT(entry, level: level)
  }

  @inline(__always) private func judgeEPT(_ entry: UInt64, level: Int) -> Verdict {
    // Bit 10 means something with mode-based execute control alone; else X is both rights to execute.
    let user = hasModeBasedExecute ? entry >> 10 & 1 : entry >> 2 & 1
    let rights = NestedRights(rawValue: UInt8(truncatingIfNeeded: entry & 7 | user << 3))
    if rights.isEmpty { return .absent }
    if !rights.contains(.read) && (rights.contains(.write) || !hasExecuteOnly) { return .malformed }
    let hasPageSize = entry & EntryFlags.pageSize.rawValue != 0
    let isLeaf = level == 1 || hasPageSize && level <= 3
    // Table entries reserve the memory type and "ignore PAT", bits 6…3; at levels 4 and 5 bit 7 too.
    var reserved = reservedAddress
    if isLeaf {
      if level > 1 { reserved |= (1 << UInt64(3 + 9 * level)) - 0x1000 }
      // Memory types 2, 3 and 7 do not exist.
      let type = entry >> 3 & 7
      if type == 2 || type == 3 || type == 7 { return .malformed }
    } else {
      reserved |= level <= 3 ? 0x78 : 0xf8
    }
    if entry & reserved != 0 { return .malformed }
    return isLeaf ? .leaf(rights) : .table(rights)
  }

  @inline(__always) private func judgeNPT(_ raw: UInt64, level: Int) -> Verdict {
    let entry = PageTableEntry<MachineSpace>(raw)
    guard entry.isPresent else { return .absent }
    guard entry.reservedBits(level: level, under: host) == 0 else { return .malformed }
    var rights: NestedRights = []
    if entry.isUser {
      rights = entry.isNoExecute ? .read : [.read, .execute, .executeUser]
      if entry.isWritable { rights.insert(.write) }
    }
    return entry.isLeaf(level: level) ? .leaf(rights) : .table(rights)
  }

  /// How a read of an entry of the guest's tables goes through the nested table. With A and D it counts as a write, for
  /// the processor may have to set them in the guest's entry (SDM 3C 29.3.3.2; AMD APM 2 15.25.5).
  var tableRead: NestedAccess {
    NestedAccess(needed: hasAccessedDirty ? [.read, .write] : .read, isFinal: false)
  }

  /// The page-modification log was full before an entry could be made for a page.
  func logFull(_ place: PhysicalAddress, _ access: NestedAccess) -> NestedFault {
    NestedFault(kind: .logFull, code: 0, place: place, isAbsent: false, isFinal: access.isFinal, needed: access.needed)
  }

  /// What the hypervisor is told of an entry that is absent or malformed, or of rights that lack. `isFetch` shows in NPT's
  /// codes.
  func fault(
    _ place: PhysicalAddress, _ access: NestedAccess, granted: NestedRights?, isMalformed: Bool = false
  ) -> NestedFault {
    var fault = NestedFault(
      kind: .violation, code: 0, place: place, isAbsent: granted == nil && !isMalformed, isFinal: access.isFinal,
      needed: access.needed)
    switch format {
    case .ept where isMalformed: fault.kind = .misconfiguration
    case .ept:
      fault.code = qualification(access, granted)
    case .npt:
      fault.kind = .nestedPageFault
      var code: PageFaultCode = .user
      if granted != nil || isMalformed { code.insert(.present) }
      if isMalformed { code.insert(.reserved) }
      if access.needed.contains(.write) { code.insert(.write) }
      if !access.needed.isDisjoint(with: [.execute, .executeUser]) && host.reportsFetch { code.insert(.fetch) }
      fault.code = UInt64(code.rawValue) | 1 << (access.isFinal ? 32 : 33)
    }
    return fault
  }

  /// The exit qualification of a violation (SDM 3C 28.2.1, table 28-7): bits 2…0 the access, 5…3 the rights over all levels
  /// (6: to fetch from user-mode addresses, with mode-based execute control), 7 a linear address is known, 8 the final
  /// page, and of that, with advanced information, 9 a user-mode address, 10 writable, 11 not executable by the guest.
  private func qualification(_ access: NestedAccess, _ granted: NestedRights?) -> UInt64 {
    let needed = access.needed.contains(.executeUser) ? access.needed.union(.execute) : access.needed
    var code = UInt64(needed.rawValue & 7)
    if let granted {
      code |= UInt64(granted.rawValue & 7) << 3
      if hasModeBasedExecute && granted.contains(.executeUser) { code |= 1 << 6 }
    }
    if access.hasLinearAddress { code |= 1 << 7 }
    guard access.isFinal else { return code }
    code |= 1 << 8
    guard reportsGuestRights else { return code }
    let guest = access.guest
    return code | (guest.isUser ? 1 << 9 : 0) | (guest.isWritable ? 1 << 10 : 0) | (guest.isNoExecute ? 1 << 11 : 0)
  }

  /// An entry that points to a table, with all rights.
  func tableEntry(_ table: MPN) -> UInt64 { format.tableEntry(table) | bothToExecute }

  /// An entry that maps a page, with all rights.
  func leaf(_ page: MPN, isLarge: Bool) -> UInt64 { format.leaf(page, isLarge: isLarge) | bothToExecute }

  /// An entry with other rights.
  func setting(_ rights: NestedRights, in entry: UInt64) -> UInt64 {
    let rights = hasModeBasedExecute ? rights : rights.subtracting(.executeUser)
    return format.setting(rights, in: entry)
  }

  private var bothToExecute: UInt64 { hasModeBasedExecute ? NestedFormat.executeUser : 0 }
}
