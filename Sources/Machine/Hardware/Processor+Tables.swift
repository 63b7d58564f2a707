internal import Paging

/// The guest's page tables: stores to them, their contents as the trace announces them, and their end.
extension Processor where MMU: ~Copyable {
  /// A page-table store: an access like any other if it has a virtual address, then the change of the entry.
  mutating func storeTable(
    _ operation: Operation, value: UInt64, at address: VirtualAddress?
  ) throws(ReplayError) {
    var store = TableStore(address: PhysicalAddress(operation.address), value: value, isUser: operation.isUser)
    store.isNarrow = cpus.running.registers.hasNarrowTables
    let bytes: UInt64 = store.isNarrow ? 4 : 8
    if let address { store.isAligned = (address.raw | UInt64(operation.size)) & (bytes - 1) == 0 }
    try checkTable(store.address, multipleOf: bytes)
    guard !store.isNarrow || value >> 32 == 0 else {
      throw error("page-table entry \(String(value, radix: 16)) of 32-bit paging, expected 32 bits")
    }
    machine.counters.guestTableStores += 1
    let isAccess = address != nil && operation.size > 0
    if isAccess { machine.counters.stores += 1 }
    if MMU.storesByHypercall {
      let kind = PendingOperation.Kind.tableStore(store, operation, isAccess ? address : nil)
      pending = PendingOperation(number: machine.operation, kind: kind)
      return
    }
    if let address, isAccess {
      storeWasPerformed = try performStore(operation, store, at: address)
    } else if address == nil {
      storeWasPerformed = true
      storeWasEmulated = machine.traces.seesStores(to: store.address.page)
      if storeWasEmulated { backend.sawStore(to: store.address, &cpus.running, &machine) }
      machine.markStored(store.address.page)
      machine.observer?.used(store.address.page)
      leaveMonitor()
    }
    guard storeWasPerformed else { return }
    write(store)
    if storeWasEmulated { try backend.stored(store, &cpus.running, &machine) }
  }

  /// Translates the access of a page-table store. Returns whether it is performed.
  private mutating func performStore(
    _ operation: Operation, _ store: TableStore, at address: VirtualAddress
  ) throws(ReplayError) -> Bool {
    let access = Access(AccessKind.store, user: operation.isUser)
    let outcome = try translate(address, access)
    switch outcome {
    case .translated(let frame):
      storeWasEmulated = false
      if frame != machine.frame(of: store.address.page) {
        machine.diverge(
          expected: "the store at \(address.hexadecimal) to reach physical \(store.address.hexadecimal)",
          found: outcome.description)
      }
    case .emulated: storeWasEmulated = true
    case .fault, .protection:
      noteUnexpected(outcome, address, access)
      return false
    }
    guard address.offset + UInt64(operation.size) > 0x1000 else { return true }
    // Nothing is stored unless the second page translates too.
    return try performs(access, VirtualAddress(address.page.advanced(by: 1).address.raw))
  }

  /// The guest's own store to a table that hypercalls might change too. One through an unnamed mapping, or a further entry of
  /// the store before, makes no access, but the hypervisor sees it.
  private mutating func storeThroughMapping(
    _ store: TableStore, _ operation: Operation, at address: VirtualAddress?
  ) throws(ReplayError) {
    guard let address else {
      if operation.size > 0 { backend.sawStore(to: store.address, &cpus.running, &machine) }
      return
    }
    _ = try performStore(operation, store, at: address)
  }

  private mutating func write(_ store: TableStore) {
    machine.noteTable(store.address.page, level: 0)
    if machine.dropsStores(to: store.address.page) { return }
    machine.setGuestEntry(store.address, store.value, isNarrow: store.isNarrow)
    oracle?.store(store)
  }

  private func checkTable(_ address: PhysicalAddress, multipleOf bytes: UInt64 = 8) throws(ReplayError) {
    guard address.raw & (bytes - 1) == 0 else {
      throw error("page-table entry at \(address.hexadecimal), expected a multiple of \(bytes)")
    }
    guard !machine.isDevice(address.page) else {
      let ram = machine.ramPages << 12
      throw error("page-table page at \(address.hexadecimal), expected it in the RAM of \(ram) bytes")
    }
  }

  mutating func announce(_ operation: Operation, _ batch: OperationBatch) throws(ReplayError) {
    let page = PhysicalAddress(operation.address).page
    try checkTable(page.address)
    let level = Int(operation.size & ~Operation.narrowEntries)
    guard (1...5).contains(level) else { throw error("table of level \(level), expected 1 to 5") }
    let words = batch.tableWords(operation)
    // A store that waits is older than these contents.
    if let waiting = pending, case .tableStore(var store, let operation, let address) = waiting.kind,
      store.address.page == page
    {
      store.value = words[Int(store.address.offset >> 3)]
      pending = PendingOperation(number: waiting.number, kind: .tableStore(store, operation, address))
    }
    try announce(page, level: level, words)
  }

  /// A page is a table with these 512 words from now on.
  mutating func announce(_ page: PPN, level: Int, _ words: [UInt64]) throws(ReplayError) {
    breakSharing(page)
    machine.noteTable(page, level: level)
    oracle?.setTable(page, words)
    let frame = machine.frame(of: page)
    cpus.forEach { $0.forgetTable(frame, page) }
    try backend.announced(page, level: level, words: words, &cpus.running, &machine)
  }

  mutating func tableGone(_ page: PPN, level: Int) {
    machine.noteTable(page, level: level, isTable: false)
    backend.gone(page, level: level, &cpus.running, &machine)
  }

  /// Carries out what has waited if no more tables follow; at the end of a batch, the next one tells.
  mutating func settleUnlessTable(_ batch: OperationBatch, at index: Int) throws(ReplayError) {
    if pending != nil && index < batch.count && batch.operations[index].kind != .table { try settlePending() }
  }

  /// Ends the replay: carries out what has waited, and lets the backend book what it still holds.
  mutating func end() throws(ReplayError) {
    try settlePending()
    backend.settle(&cpus.running, &machine)
    endDirtyLog()
    backend.finish(&cpus.running, &machine)
  }

  /// Carries out what has waited for the tables behind it, which direct paging needs before.
  mutating func settlePending() throws(ReplayError) {
    guard let waiting = pending else { return }
    pending = nil
    let now = machine.operation
    machine.operation = waiting.number
    switch waiting.kind {
    case .tableStore(let store, let operation, let address):
      machine.noteTable(store.address.page, level: 0)
      if hasStarted, backend.emulatesStore(to: store.address, &machine) {
        backend.preparesStore(to: store.address, &cpus.running, &machine)
        try storeThroughMapping(store, operation, at: address)
      }
      oracle?.store(store)
      try backend.stored(store, &cpus.running, &machine)
    case .rootLoad(let value): try finishLoadCR3(value)
    }
    machine.operation = now
  }
}

extension OperationBatch {
  /// The 512 words of a table-contents operation.
  func tableWords(_ operation: Operation) -> [UInt64] {
    var table = [UInt64](repeating: 0, count: 512)
    var next = Int(operation.payload) + 8
    for group in 0..<8 {
      var bits = words[Int(operation.payload) + group]
      while bits != 0 {
        table[group * 64 + bits.trailingZeroBitCount] = words[next]
        next += 1
        bits &= bits - 1
      }
    }
    return table
  }
}
