internal import Paging

/// Writable page tables as Xen had them from 2004 to 2006 (`ptwr_do_page_fault` and `ptwr_flush`).
extension Xen {
  /// What came of a table that was attached again.
  struct Reattachment {
    var table: DetachedTable
    /// Entries that had changed, up to and with one that was refused.
    var changed = 0
    /// That one, and what the table held from there on; it is the snapshot's again.
    var refused: (index: Int, words: [UInt64], error: XenError)?
  }

  /// Where a level-1 table would be written to from a CPU: in the address space that the CPU runs, or in none of its
  /// domain's. Nil: Xen emulates the store, since the table is in several places, or maps the page of the store itself, or
  /// another CPU may use it.
  func place(
    of frame: MPN, for address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> (role: DetachedTables.Role, link: (place: MachineAddress, address: VirtualAddress)?)? {
    guard let domain = domains[machine.domain], let base = domain.bases[cpu.index] else { return nil }
    let links = frames.links[frame] ?? []
    let places = frames.positions(of: frame, under: base)
    guard links.count <= 1, places.count <= 1 else { return nil }
    if let link = places.first, (link.address.raw ^ address.raw) >> 21 == 0 { return nil }
    let isActive = !places.isEmpty
    let uses = (frames[frame].isPinned ? 1 : 0) + (isActive ? 1 : 0)
    if domain.bases.count > 1 && Int(frames[frame].typeCount) != uses { return nil }
    return (isActive ? .active : .inactive, places.first)
  }

  /// Lets go of a table. The entry `mapping`, by which the guest has the page, lets stores through from now on.
  mutating func detach(
    _ frame: MPN, as role: DetachedTables.Role, _ link: (place: MachineAddress, address: VirtualAddress)?,
    through address: VirtualAddress, _ mapping: MachineAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    if let place = link?.place {
      machine.memory.write(place, machine.memory.read(place) & ~EntryFlags.present.rawValue)
      machine.flushAllCPUs(&cpu)
    }
    let snapshot = (0..<512).map { machine.memory.read(frame.entryAddress(index: $0)) }
    machine.memory.write(mapping, machine.memory.read(mapping) | EntryFlags.writable.rawValue)
    let window = (page: address.page, entry: mapping, context: cpu.context)
    detached.add(DetachedTable(frame: frame, link: link, window: window, snapshot: snapshot), as: role)
  }

  /// Takes a table back: no store may reach it any more, then what has changed is validated, then walks may come to it.
  mutating func attach(
    _ role: DetachedTables.Role, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Reattachment? {
    guard let table = detached.remove(role) else { return nil }
    let entry = table.window.entry
    machine.memory.write(entry, machine.memory.read(entry) & ~EntryFlags.writable.rawValue)
    dropWindow(table, &cpu, &machine)
    let result = frames.revalidate(table, for: machine.domain, &cpu, &machine)
    detached.note(result.changed, role)
    flushForeign(&cpu, &machine)
    if let place = table.link?.place {
      machine.memory.write(place, machine.memory.read(place) | EntryFlags.present.rawValue)
    }
    return result
  }

  /// INVLPG of the guest's mapping, on all CPUs.
  private func dropWindow(_ table: DetachedTable, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if domains[machine.domain]?.bases.count != 1 { return machine.flushAllCPUs(&cpu) }
    // A load of CR3 may have changed the PCID by now.
    let context = cpu.context
    cpu.context = table.window.context
    cpu.invalidate(table.window.page)
    cpu.context = context
  }
}

extension FrameTable {
  /// The entries of level 2 that point to a table of level 1 in the address space of a base table, with the first address
  /// that each maps.
  func positions(of table: MPN, under base: MPN) -> [(place: MachineAddress, address: VirtualAddress)] {
    var found: [(place: MachineAddress, address: VirtualAddress)] = []
    for second in links[table] ?? [] {
      for third in links[second.page] ?? [] {
        for top in links[third.page] ?? [] where top.page == base {
          let address = (top.offset >> 3) << 39 | (third.offset >> 3) << 30 | (second.offset >> 3) << 21
          let signed = Int64(bitPattern: address << 16) >> 16
          found.append((second, VirtualAddress(UInt64(bitPattern: signed))))
        }
      }
    }
    return found
  }

  /// Notes that an entry of a validated table points to another table.
  mutating func link(_ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress) {
    if notesLinks && level > 1 && entry.isPresent { noteLink(place, to: entry.frame) }
  }

  mutating func unlink(_ entry: PageTableEntry<MachineSpace>, level: Int, at place: MachineAddress) {
    if notesLinks && level > 1 && entry.isPresent { forgetLink(place, to: entry.frame) }
  }

  /// Takes the references of what has changed in a table, and gives those back of what was there before
  /// (`revalidate_l1`). From an entry on that is refused the table is what it was.
  fileprivate mutating func revalidate(
    _ table: DetachedTable, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Xen.Reattachment {
    var result = Xen.Reattachment(table: table)
    for index in 0..<512 {
      let place = table.frame.entryAddress(index: index)
      let new = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard new.raw != table.snapshot[index] else { continue }
      result.changed += 1
      do throws(XenError) {
        try getEntry(new, level: 1, pages: domain, for: domain, &cpu, &machine)
        machine.memory.write(place, adjusted(new, level: 1).raw)
        putEntry(PageTableEntry(table.snapshot[index]), level: 1, of: table.frame, &machine)
      } catch {
        let places = (index..<512).map { table.frame.entryAddress(index: $0) }
        result.refused = (index, places.map { machine.memory.read($0) }, error)
        for (place, word) in zip(places, table.snapshot[index...]) { machine.memory.write(place, word) }
        break
      }
    }
    return result
  }
}
