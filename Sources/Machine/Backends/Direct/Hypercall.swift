internal import Paging

/// A hypercall of direct paging with its arguments (Xen, public/xen.h and public/memory.h). Addresses and entries are in
/// machine terms.
enum Hypercall {
  case mmuUpdate(MMUUpdates)
  case updateMapping(MappingUpdate)
  case mmuExtended([MMUExtendedCall], pages: DomainID)
  case memory(MemoryCall)
  case grant(GrantCall)
  /// Each entry is carried out whole before the next.
  indirect case multicall([Hypercall])
  /// The way back to user mode: within a multicall it is the last.
  case iret
  /// `XEN_DOMCTL_getpageframeinfo3`: the type of a frame.
  case frameInfo(MPN)
  /// The domain is destroyed.
  case destroy
  case unknown

  /// Requests that change entries.
  struct MMUUpdates {
    var requests: [(pointer: UInt64, value: UInt64)]
    /// Whose tables they are, and whose frames the entries name.
    var tables = DomainID.oneself
    var pages = DomainID.oneself
  }

  struct MappingUpdate {
    var address: VirtualAddress
    var value: UInt64
    var flush = Flush.none
    /// Whose frame the entry names: `update_va_mapping_otherdomain`.
    var pages = DomainID.oneself
  }

  /// What is dropped from the TLBs after `update_va_mapping` went well.
  struct Flush: Hashable {
    enum Extent { case nothing, everything, page }
    var extent = Extent.nothing
    /// On all of the domain's CPUs, not on the caller's alone.
    var isGlobal = false
    static var none: Flush { Flush() }
  }

  struct MMUExtendedCall {
    /// The number of public/xen.h.
    var number: Int
    /// A frame, or a virtual address.
    var first: UInt64 = 0
    /// Of `copy_page`, the frame that is copied.
    var second: UInt64 = 0
  }

  enum MemoryCall {
    case increase(count: Int, order: Int)
    case decrease([MPN], order: Int)
    case populate([PPN], order: Int)
    case exchange(Exchange)
    case currentReservation
    case maximumReservation
  }

  /// `XENMEM_exchange`: frames in, for as many others.
  struct Exchange {
    var input: [MPN]
    var inputOrder = 0
    /// Where the new ones are to be.
    var output: [PPN]
    var outputOrder = 0
    /// As the guest says, chunks that have been exchanged before.
    var exchanged: UInt64 = 0
  }
}

/// What a hypercall returned.
struct HypercallResult {
  /// 0, a count, or a negative error number.
  var value = 0
  /// Requests that were carried out, where there is more than one.
  var done: Int?
  /// The results of a multicall's entries.
  var parts: [HypercallResult] = []
  /// Instead of the number, the name of what was asked for.
  var name: String?
  /// Frames that the domain was given.
  var frames: [MPN] = []
  /// Of a mapping of a granted frame.
  var handle: Int?

  init(_ value: Int = 0) { self.value = value }
  init(_ error: XenError) { value = -error.rawValue }

  /// As in the event log: `-22`, `-22 done 1`, `0 [0 -22]`.
  var text: String {
    var text = name ?? String(value)
    if let done { text += " done \(done)" }
    if !parts.isEmpty { text += " [" + parts.map(\.text).joined(separator: " ") + "]" }
    return text
  }
}

extension Hypercall {
  /// None: the domain stores to memory of its own.
  var isStore: Bool {
    if case .grant(let call) = self { call.isStore } else { false }
  }
}
