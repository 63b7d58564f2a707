internal import Paging

/// What stopped a hardware walk: a page fault, or under nested paging a violation.
struct HardwareFault {
  var address: VirtualAddress
  var access: Access
  /// The page-fault error code; of a violation: the part that describes the access, and `present` if rights lacked.
  var code: PageFaultCode
  /// Under nested paging: the physical address whose nested translation failed. Nil: an ordinary page fault.
  var violation: PhysicalAddress?
  /// The violation came from reading an entry of the guest's tables, not from the access itself.
  var isTableAccess = false
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
