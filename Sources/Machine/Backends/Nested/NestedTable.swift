internal import Paging

/// The hypervisor's table from physical to machine pages that the hardware walks beside the guest's: four levels of
/// extended page tables (SDM 3C 29.3.2), 4 KiB pages.
struct NestedTable {
  let root: MPN
  static var levels: Int { 4 }
  /// Bits 2…0 of an entry: read, write, execute. An entry with none of them is not present.
  private static var all: UInt64 { 7 }

  init(_ machine: inout MachineState) { root = machine.allocateTable() }

  /// The hardware's translation of a physical page: the machine page, or nil if the table does not have it.
  @inline(__always) func walk(_ page: PPN, _ machine: inout MachineState) -> MPN? {
    var table = root
    for level in (1...Self.levels).reversed() {
      let place = Self.place(page, in: table, level: level)
      machine.counters.walkReferences += 1
      machine.counters.walkReferencesNested += 1
      machine.counters.cyclesTranslation += machine.walkCache.cycles(of: place)
      let entry = machine.memory.read(place)
      if entry & Self.all == 0 { return nil }
      table = MPN(entry >> 12 & 0xff_ffff_ffff)
    }
    return table
  }

  /// Enters a page, with the tables on the way.
  func fill(_ page: PPN, _ machine: inout MachineState) {
    var table = root
    for level in (2...Self.levels).reversed() {
      let place = Self.place(page, in: table, level: level)
      var entry = machine.memory.read(place)
      if entry & Self.all == 0 {
        entry = machine.allocateTable().address.raw | Self.all
        machine.memory.write(place, entry)
      }
      table = MPN(entry >> 12 & 0xff_ffff_ffff)
    }
    machine.memory.write(
      Self.place(page, in: table, level: 1), machine.physmap.machine(page).address.raw | Self.all)
  }

  private static func place(_ page: PPN, in table: MPN, level: Int) -> MachineAddress {
    MachineAddress(table.address.raw | (page.raw >> UInt64(9 * (level - 1)) & 511) << 3)
  }
}
