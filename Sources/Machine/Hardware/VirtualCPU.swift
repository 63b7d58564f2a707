internal import Paging

/// A page that was translated last, and the accesses that its entry allows.
struct LastPage {
  var page: UInt64
  var allowed: UInt64

  static var none: LastPage { LastPage(page: .max, allowed: 0) }
}

/// One virtual CPU: the guest's registers, and the translation caches of the processor that runs it.
struct VirtualCPU: ~Copyable {
  let index: Int
  /// As the guest sees them.
  var registers = ControlRegisters.initial
  /// What a walk of the guest's own tables obeys.
  var guestControls: PagingControls
  /// What the hardware's walk obeys: the guest's controls, or the hypervisor's where it walks the hypervisor's tables.
  var hardwareControls: PagingControls
  /// The top-level table that the hardware walks (nested: the guest's, by machine address).
  var root = MPN(0)
  var fetches: TLBLevel
  var data: TLBLevel
  var second: TLBLevel
  /// One for each level that the machine caches, the deepest first, so that a walk takes the first that hits.
  var structures: [PagingStructureCache]
  /// VPID and PCID as in ``TLBEntry/tag``.
  var context: UInt64 = 0
  /// An access has been made: register loads from now on are instructions, before it they set the state.
  var hasStarted = false
  /// The page last translated by a fetch [1] or for data [0]: its entry is the latest of its set, so that another access
  /// to it that is allowed changes nothing but a count.
  var lastPages: InlineArray<2, LastPage> = [.none, .none]
  /// ``MachineState/flushClock`` when this CPU was last flushed for all others' sake.
  var flushClock: UInt64 = 0

  init(index: Int, _ machine: borrowing MachineState) {
    self.index = index
    let description = machine.description
    fetches = TLBLevel(description.l1Instruction)
    data = TLBLevel(description.l1Data)
    second = TLBLevel(description.l2)
    structures = description.pagingStructureCaches.sorted { $0.key < $1.key }.map {
      PagingStructureCache(level: $0.key, capacity: $0.value)
    }
    guestControls = machine.controls(for: registers)
    hardwareControls = guestControls
    flushClock = machine.flushClock
  }

  /// Enters a completed walk in the TLBs.
  mutating func fill(_ page: VPN, _ translation: Translation, for access: Access) {
    let data = TLBData.make(translation, under: hardwareControls)
    second.fill(page.raw, translation.size, data: data, context: context)
    fillFirst(page, translation.size, data, for: access)
  }

  /// Enters an entry of the second level, or of a walk, in the first.
  mutating func fillFirst(_ page: VPN, _ size: PageSize, _ entry: UInt64, for access: Access) {
    if access.isFetch {
      fetches.fill(page.raw, size, data: entry, context: context)
    } else {
      data.fill(page.raw, size, data: entry, context: context)
    }
    forgetLastPages()
  }

  mutating func forgetLastPages() {
    lastPages = [.none, .none]
  }
}
