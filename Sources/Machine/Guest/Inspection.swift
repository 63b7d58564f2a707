public import Paging

/// What a trace holds, summed over its operations: nothing is simulated but a walk of the trace's own page tables.
public struct Inspection: Sendable {
  /// Operations by `Operation.Kind`.
  public private(set) var operations: [Operation.Kind: UInt64] = [:]
  /// Accesses by kind; those of page-table stores that are accesses too are in `stores`.
  public internal(set) var loads = PrivilegeCounts()
  public internal(set) var stores = PrivilegeCounts()
  public internal(set) var fetches = PrivilegeCounts()
  public internal(set) var instructions: UInt64 = 0
  public internal(set) var bytesRead: UInt64 = 0
  public internal(set) var bytesWritten: UInt64 = 0
  /// Accesses by the level of the entry that maps their first byte in the trace's tables; 0: none does.
  var leaves = [UInt64](repeating: 0, count: 4)
  /// Distinct pages of 4 KiB that supervisor code touched.
  public internal(set) var supervisorPages: UInt64 = 0
  /// Distinct pairs of a page of 4 KiB and the address space, by its root, in which user code touched it.
  public internal(set) var userPages: UInt64 = 0
  public internal(set) var tables = TableCounts()
  public internal(set) var tableStores = TableStoreCounts()
  /// CR3 loads after a processor's first access; those before it set its state.
  public internal(set) var cr3Loads: UInt64 = 0
  /// Those that loaded the root that was loaded already.
  public internal(set) var sameRootLoads: UInt64 = 0
  /// Distinct roots, those set before the first access included.
  public internal(set) var roots: Set<UInt64> = []
  /// Loads of CR0, CR4 and EFER after a processor's first access.
  public internal(set) var otherRegisterLoads: UInt64 = 0
  /// Size of physical memory in bytes, 0 if the trace does not say it.
  public internal(set) var ram: UInt64 = 0
  /// Page faults by error code.
  public internal(set) var faults: [PageFaultCode: UInt64] = [:]
  /// Other exceptions and interrupts by vector.
  public internal(set) var interrupts: [UInt16: UInt64] = [:]

  var image = RecordedTables()
  var context = Context()
  /// The contexts of the processors that are not the current one.
  var parked: [Context.ID: Context] = [:]
  var touched: Set<TouchedPage> = []
  var memo = WalkMemo()

  public init() {}

  public var accesses: UInt64 { loads.total + stores.total + fetches.total }

  /// Adds the first `count` operations of a batch.
  public mutating func add(_ batch: OperationBatch) {
    for index in 0..<batch.count {
      let operation = batch.operations[index]
      if operation.isAccess {
        addAccess(operation)
      } else {
        addEvent(operation, of: batch)
      }
    }
  }

  private mutating func addAccess(_ operation: Operation) {
    switch operation.kind {
    case .load:
      loads.add(operation)
      bytesRead &+= UInt64(operation.size)
    case .store:
      stores.add(operation)
      bytesWritten &+= UInt64(operation.size)
    default:
      fetches.add(operation)
      instructions &+= UInt64(operation.size)
    }
    touch(VirtualAddress(operation.address), isUser: operation.isUser)
  }

  private mutating func addEvent(_ operation: Operation, of batch: OperationBatch) {
    operations[operation.kind, default: 0] += 1
    let machine = context.id.machine
    switch operation.kind {
    case .tableStore: addTableStore(operation, of: batch)
    case .table:
      let payload = batch.payload(of: operation)
      let level = Int(operation.size & ~Operation.narrowEntries)
      tables.add(level: level, entries: payload.count - 8, isSnapshot: accesses == 0)
      let page = PhysicalAddress(operation.address).page
      image.announce(page, of: machine, level: level, payload: payload)
      memo.forget()
    case .tableGone:
      tables.gone += 1
      image.retire(PhysicalAddress(operation.address).page, of: machine, level: Int(operation.size))
    case .loadCR3: loadCR3(operation.address)
    case .loadCR0, .loadCR4, .loadEFER:
      if context.hasAccessed { otherRegisterLoads += 1 }
      switch operation.kind {
      case .loadCR0: context.registers.cr0 = operation.address
      case .loadCR4: context.registers.cr4 = operation.address
      default: context.registers.efer = operation.address
      }
      memo.forget()
    case .ram: ram = operation.address
    case .fault:
      let code = UInt32(truncatingIfNeeded: batch.words[Int(operation.payload)])
      faults[PageFaultCode(rawValue: code), default: 0] += 1
    case .interrupt: interrupts[operation.size, default: 0] += 1
    case .cpu: switchContext(to: Context.ID(machine: machine, cpu: operation.address))
    case .vm: switchContext(to: Context.ID(machine: operation.address, cpu: context.id.cpu))
    default: break
    }
  }

  /// The operations of a kind, accesses included.
  public func count(of kind: Operation.Kind) -> UInt64 {
    switch kind {
    case .load: loads.total
    case .fetch: fetches.total
    case .store: stores.total &- tableStores.accesses
    default: operations[kind] ?? 0
    }
  }

  /// The accesses whose first byte lies in a page of that size.
  public func accesses(to size: PageSize) -> UInt64 { leaves[size.level] }

  /// The accesses that the trace's tables do not map.
  public var unmapped: UInt64 { leaves[0] }

  /// The trace carries page tables.
  public var hasTables: Bool { image.count > 0 }
}

extension Inspection {
  private mutating func addTableStore(_ operation: Operation, of batch: OperationBatch) {
    let payload = batch.payload(of: operation)
    let address = PhysicalAddress(operation.address)
    if payload.count == 2 && operation.size > 0 {
      stores.add(operation)
      bytesWritten &+= UInt64(operation.size)
      tableStores.accesses += 1
      touch(VirtualAddress(payload[payload.startIndex + 1]), isUser: operation.isUser)
    }
    let machine = context.id.machine
    let mask = image.levelMask(of: address.page, machine)
    let isNarrow = context.registers.hasNarrowTables
    let (previous, value) = image.store(
      payload[payload.startIndex], at: address, of: machine, isNarrow: isNarrow)
    let change = Change(from: previous, to: value, isNarrow: isNarrow)
    tableStores.add(levelMask: mask, change, isUser: operation.isUser)
    if previous != value { memo.forget() }
  }

  private mutating func loadCR3(_ value: UInt64) {
    let root = value >> 12 & 0xff_ffff_ffff
    roots.insert(root)
    if context.hasAccessed {
      cr3Loads += 1
      if root == context.registers.root.raw { sameRootLoads += 1 }
    }
    context.registers.cr3 = value & ~CR3.noFlush
    memo.forget()
  }

  private mutating func switchContext(to id: Context.ID) {
    guard id != context.id else { return }
    parked[context.id] = context
    context = parked[id] ?? Context(id: id)
    memo.forget()
  }

  /// Counts an access by its page; an access over a page border belongs to its first page.
  private mutating func touch(_ address: VirtualAddress, isUser: Bool) {
    let key = address.page.raw << 1 | (isUser ? 1 : 0)
    let level: UInt8
    if let known = memo[key] {
      level = known
    } else {
      level = firstTouch(address, isUser: isUser)
      memo[key] = level
    }
    leaves[Int(level)] += 1
  }

  /// An access that the memo does not know: notes its page, and returns the level of the leaf that maps it, 0 for none.
  private mutating func firstTouch(_ address: VirtualAddress, isUser: Bool) -> UInt8 {
    context.hasAccessed = true
    let space = isUser ? context.registers.root.raw << 1 | 1 : 0
    if touched.insert(TouchedPage(machine: context.id.machine, page: address.page.raw, space: space)).inserted {
      if isUser { userPages += 1 } else { supervisorPages += 1 }
    }
    let size = image.leafSize(at: address, context.registers, of: context.id.machine)
    return size?.rawValue ?? 0
  }
}
