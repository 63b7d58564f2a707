internal import Paging

/// The guest's registers for which a shadow is made, where they change what its entries may grant (KVM's page roles,
/// `cr0_wp` and `smep_andnot_wp`). CPUs of different roles have different shadows of one table.
enum ShadowRole: UInt8, CaseIterable {
  /// Entries have the guest's rights.
  case plain
  /// CR0.WP is clear, so that the supervisor may store to what is read-only; the hardware runs with WP set. A read-only
  /// entry of the user's has two faces: the guest's rights, or writable and the supervisor's alone.
  case supervisorStores
  /// The same with CR4.SMEP: the second face forbids execution too, since to the hardware it is no user page.
  case supervisorStoresSMEP

  /// What a present shadow entry grants that stands for a guest's, with the mark that says why stores are withheld.
  /// `isForStores`: of two faces, the one that lets the supervisor store.
  func grants<Target>(_ entry: PageTableEntry<Target>, isLeaf: Bool, isForStores: Bool = false) -> EntryFlags {
    let hasTwoFaces = self != .plain && !entry.isWritable && entry.isUser
    let isTurned = hasTwoFaces && isForStores
    var flags: EntryFlags = [.present, .accessed]
    if entry.isUser && !isTurned { flags.insert(.user) }
    if entry.isNoExecute || isTurned && self == .supervisorStoresSMEP { flags.insert(.noExecute) }
    if isTurned { flags.insert(ShadowMark.turned) }
    // No user reaches an entry of the supervisor's, so that one may be writable from the start.
    let isWritable = entry.isWritable || isTurned || self != .plain && !entry.isUser
    // The guest's D must be set by a store that is seen.
    if isWritable { flags.insert(isLeaf && !entry.isDirty ? ShadowMark.readOnlyForDirty : .writable) }
    return flags
  }
}

extension MachineState {
  /// Whether read-only entries may be turned into the supervisor's for a CPU. Not with SMAP in force: a load of the
  /// supervisor's from what the hardware takes for its own page would pass. Nor with SMEP but without NX. Nor outside of
  /// long mode, where an entry has no bit left for the mark.
  func turnsEntries(_ cpu: borrowing VirtualCPU) -> Bool {
    guard settings.shadow.turnsEntries, !cpu.registers.isWriteProtected, cpu.registers.mode.levels >= 4 else {
      return false
    }
    return !cpu.guestControls.hasSMAP && (!cpu.registers.hasSMEP || cpu.registers.hasNoExecute)
  }
}

extension ShadowBackend {
  func role(of cpu: borrowing VirtualCPU, _ machine: borrowing MachineState) -> ShadowRole {
    guard machine.turnsEntries(cpu) else { return .plain }
    return cpu.registers.hasSMEP ? .supervisorStoresSMEP : .supervisorStores
  }

  /// The shadows of a guest's page, with their levels.
  borrowing func shadows(of page: PPN) -> [(key: ShadowPage.Key, frame: MPN)] {
    let levels = tracedLevels[page.raw] ?? 0
    var found: [(key: ShadowPage.Key, frame: MPN)] = []
    for level in 1...5 where levels >> UInt8(level) & 1 != 0 {
      for role in roles {
        for part in parts {
          let key = ShadowPage.Key.table(page, level: level, role: role, part: part)
          if let frame = frames[key] { found.append((key, frame)) }
        }
      }
    }
    return found
  }

  /// Whether an access needs the face of an entry that lets the supervisor store. A load of the supervisor's passes by
  /// either.
  func isForStores(_ walk: GuestWalk, _ access: Access, at place: MachineAddress, _ machine: borrowing MachineState)
    -> Bool
  {
    if access.isStore && !walk.rights.isWritable { return true }
    if access.isUser || access.isFetch { return false }
    return PageTableEntry<MachineSpace>(machine.memory.read(place)).contains(ShadowMark.turned)
  }
}
