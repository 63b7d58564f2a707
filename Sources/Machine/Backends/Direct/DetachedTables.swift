internal import Paging

/// A level-1 table that Xen has let go of for its guest to write to (Xen 2 and 3.0, `struct ptwr_info`). Nothing is known
/// of what it holds now; its references are those of the snapshot.
struct DetachedTable {
  var frame: MPN
  /// The entry that points to it, whose P is clear, and the first address of the 2 MiB that it maps; nil: no walk of the
  /// domain's comes to it.
  var link: (place: MachineAddress, address: VirtualAddress)?
  /// The page of the mapping through which the guest writes, the entry that has RW for that, and the tag of TLB entries.
  var window: (page: VPN, entry: MachineAddress, context: UInt64)
  var snapshot: [UInt64]
}

/// The tables that a domain may write to at a time: one that is in the address space that runs, and one that is not.
struct DetachedTables {
  enum Role: CaseIterable { case active, inactive }

  private var tables: [Role: DetachedTable] = [:]
  /// Entries that had changed when the last table of a role was attached again.
  private var changes: [Role: Int] = [.active: 1, .inactive: 1]

  var isEmpty: Bool { tables.isEmpty }
  subscript(role: Role) -> DetachedTable? { tables[role] }

  func role(of frame: MPN) -> Role? { tables.first { $0.value.frame == frame }?.key }

  /// Whether an address is among those that the active table maps.
  func hides(_ address: VirtualAddress) -> Bool {
    guard let link = tables[.active]?.link else { return false }
    return (link.address.raw ^ address.raw) >> 21 == 0
  }

  mutating func add(_ table: DetachedTable, as role: Role) { tables[role] = table }
  mutating func remove(_ role: Role) -> DetachedTable? { tables.removeValue(forKey: role) }

  /// Whether a role's last table came back as it went: the guest is stuck, and its next store is emulated.
  mutating func wasInVain(_ role: Role) -> Bool {
    guard changes[role] == 0 else { return false }
    changes[role] = 1
    return true
  }

  mutating func note(_ changed: Int, _ role: Role) { changes[role] = changed }

  /// A word of a table as it was when all was validated.
  func validated(_ word: UInt64, at place: MachineAddress) -> UInt64 {
    var word = word
    for table in tables.values {
      if table.frame == place.page { word = table.snapshot[Int(place.offset >> 3)] }
      if table.link?.place == place { word |= EntryFlags.present.rawValue }
      if table.window.entry == place { word &= ~EntryFlags.writable.rawValue }
    }
    return word
  }

  /// A level-2 entry as the guest takes it, which knows that Xen may have cleared P (XenLinux, `pmd_present`).
  func known(_ word: UInt64, at place: MachineAddress) -> UInt64 {
    tables[.active]?.link?.place == place ? word | EntryFlags.present.rawValue : word
  }
}
