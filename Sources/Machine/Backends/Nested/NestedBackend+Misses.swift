internal import Paging

/// The two-dimensional walk where a paging-structure cache leads to the guest's leaf, and nothing need be set.
extension NestedBackend {
  @inline(__always)
  mutating func walkPlainly(
    _ address: VirtualAddress, _ access: Access, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> UInt64 {
    guard let leaf = machine.plainLeaf(address, access, &cpu) else { return 0 }
    let guest = PageTableEntry<PhysicalSpace>(leaf.entry)
    let page = PPN(guest.frame(of: leaf.size).raw | address.page.raw & (leaf.size.pages &- 1))
    let needed = NestedRights(access, isUserPage: leaf.rights.isUser)
    guard let found = table.findPlainly(page, needed, &cpu, machine) else { return 0 }
    machine.countWalk(of: leaf, isGuests: true)
    table.count(found, page, &cpu, &machine)
    // The TLB holds what both dimensions map in one piece.
    let translation = found.translation
    let piece = min(leaf.size, translation.size)
    return TLBData.make(
      Translation(
        frame: MPN(piece.first(translation.frame.raw)), size: piece, guestSize: leaf.size, rights: leaf.rights,
        isDirty: guest.isDirty && translation.isDirty, isGlobal: guest.isGlobal && cpu.guestControls.hasGlobalPages,
        refused: translation.rights.refused(isUserPage: leaf.rights.isUser)),
      allowed: leaf.allowed)
  }
}
