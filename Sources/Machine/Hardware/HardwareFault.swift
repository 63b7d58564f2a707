internal import Paging

/// What stopped a hardware walk: a page fault, or under nested paging a nested fault.
struct HardwareFault: Error {
  var address: VirtualAddress
  var access: Access
  /// The page-fault error code; of a nested fault: the part that describes the access, and `present` if rights lacked.
  var code: PageFaultCode
  /// Under nested paging: why a translation of the nested table failed. Nil: an ordinary page fault.
  var nested: NestedFault?
  /// The walk began with rights of a paging-structure cache, which may be fewer than the tables now grant.
  var reliesOnCachedRights = false
}

/// How a hardware walk ended.
enum WalkOutcome {
  case translated(Translation)
  case fault(HardwareFault)
}

/// What became of a fault.
enum Resolution {
  /// The table that the hardware walks has been mended: walk again.
  case retry
  /// The hypervisor has carried out the access itself, to this physical page.
  case emulated(PPN)
  /// The guest gets it.
  case deliver(PageFault)
}
