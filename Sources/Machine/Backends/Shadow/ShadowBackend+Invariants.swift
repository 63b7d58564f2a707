internal import Paging

extension ShadowBackend {
  /// Every shadow entry agrees with the guest's or grants less, and no leaf lets a store reach a traced page unseen.
  borrowing func violatedInvariant(_ cpu: borrowing VirtualCPU, _ machine: inout MachineState) -> String? {
    if machine.mapsGuardedRange(cpu) { return "the monitor's range is mapped" }
    let pointers = cpu.hardwareControls.levels == 3 ? cpu.pointers : InlineArray(repeating: 0)
    for index in 0..<4 where pointers[index] & 1 == 1 && pages[MPN(pointers[index] >> 12)] == nil {
      return "pointer \(index) leads to no shadow"
    }
    for shadow in pages.values.sorted(by: { $0.frame.raw < $1.frame.raw }) {
      for index in 0..<512 {
        let place = shadow.frame.entryAddress(index: index)
        let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
        guard entry.isPresent,
          let problem = problem(of: entry, in: shadow, index, cpu.guestControls, &machine)
        else { continue }
        return "shadow entry \(String(entry.raw, radix: 16)), index \(index) of \(shadow.key): \(problem)"
      }
    }
    return nil
  }

  private func problem(
    of entry: PageTableEntry<MachineSpace>, in shadow: ShadowPage, _ index: Int, _ controls: PagingControls,
    _ machine: inout MachineState
  ) -> String? {
    let level = shadow.key.level
    if !entry.isLeaf(level: level), pages[entry.frame] == nil { return "points to no shadow" }
    if level > 1, entry.isLeaf(level: level), let problem = problem(ofLarge: entry, level, machine) { return problem }
    if level == 1 {
      let place = shadow.frame.entryAddress(index: index)
      let pages = machine.pages(of: entry.frame)
      guard let page = pages.first(where: { reverseMap.mappings(of: $0).contains(place) }) ?? pages.first else {
        return "maps no memory of the guest's"
      }
      if machine.isDevice(page) { return "maps device memory" }
      let protection = machine.traces.protection(of: page)
      if protection == .notPresent { return "maps a page whose reads are traced" }
      if entry.isWritable && protection != .none { return "is writable though the page is traced" }
      if !reverseMap.mappings(of: page).contains(place) { return "is not in the reverse map" }
    }
    guard let table = shadow.key.page, !unsynced.contains(table) else { return nil }
    guard let guest = shadow.key.guestEntry(index, controls, &machine) else { return nil }
    if !guest.isPresent || !guest.isAccessed { return "the guest's is \(String(guest.raw, radix: 16))" }
    let isForStores = entry.contains(ShadowMark.turned)
    let granted = PageTableEntry<MachineSpace>(
      shadow.key.role.grants(guest, isLeaf: guest.isLeaf(level: level), isForStores: isForStores).rawValue)
    if granted.isUser != entry.isUser || granted.isNoExecute != entry.isNoExecute {
      return "other rights than the guest's"
    }
    if entry.isWritable && !granted.isWritable { return "writable, but the guest's is \(String(guest.raw, radix: 16))" }
    return leadsElsewhere(entry, guest, shadow.key, index, &machine) ? "leads elsewhere than the guest's" : nil
  }

  private func problem(
    ofLarge entry: PageTableEntry<MachineSpace>, _ level: Int, _ machine: borrowing MachineState
  ) -> String? {
    guard let size = PageSize(level: level), let first = machine.pages(of: entry.frame).first else {
      return "maps no memory of the guest's"
    }
    if machine.traces.seesAny(in: first, size) { return "maps a page that is traced in a large one" }
    return machine.isDevice(PPN(first.raw + size.pages - 1)) ? "maps device memory" : nil
  }

  private func leadsElsewhere(
    _ entry: PageTableEntry<MachineSpace>, _ guest: PageTableEntry<PhysicalSpace>, _ key: ShadowPage.Key,
    _ index: Int, _ machine: inout MachineState
  ) -> Bool {
    let level = key.level
    if let size = PageSize(level: level), entry.isLeaf(level: level) {
      return !guest.isLeaf(level: level) || !machine.backs(entry.frame, guest.frame(of: size))
    }
    switch pages[entry.frame]?.key {
    case .table(let page, let below, let role, let part):
      let key = key.below(index, guest.frame)
      return guest.isLeaf(level: level) || key != .table(page, level: below, role: role, part: part)
    case .splinter(let page, let below, let isGlobal):
      guard guest.isLeaf(level: level), let size = PageSize(level: level) else { return true }
      return page != guest.frame(of: size) || below != level - 1 || isGlobal != guest.isGlobal
    case nil: return true
    }
  }
}
