internal import Paging

/// The port's requests to Xen: at once, or queued and asked for together (`direct.batch`).
extension DirectBackend {
  /// Queues a request, and asks for all that wait if that fills the queue. A place waits once at most.
  mutating func enqueue(_ request: UpdateQueue.Request, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if queue.value(at: request.place) != nil { settle(&cpu, &machine) }
    queue.append(request)
    let limit = isBuilding ? 1 : machine.settings.direct.batch
    if queue.requests.count >= limit { settle(&cpu, &machine) }
  }

  /// The same for a request and one that must be asked for with it.
  mutating func enqueue(
    _ request: UpdateQueue.Request, with other: UpdateQueue.Request?, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) {
    guard let other else { return enqueue(request, &cpu, &machine) }
    if queue.value(at: other.place) != nil { settle(&cpu, &machine) }
    if queue.value(at: request.place) != nil { settle(&cpu, &machine) }
    queue.append(request)
    enqueue(other, &cpu, &machine)
  }

  /// Asks Xen for everything that waits: the section ends.
  mutating func settle(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    guard !queue.isEmpty else { return }
    var rest = queue.takeAll()[...]
    // Xen stops at a request that it refuses; those behind it are asked for again.
    while !rest.isEmpty {
      rest = rest.dropFirst(ask(rest, &cpu, &machine))
      // A table that is none any more has taken its base table for user mode with it.
      if !rest.isEmpty { rest = rest.filter { $0.mirrors.map { port.userBases[$0] != nil } ?? true }[...] }
    }
  }

  /// One `mmu_update`. Returns how many requests are done with, the refused one included.
  private mutating func ask(
    _ requests: ArraySlice<UpdateQueue.Request>, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Int {
    attachAll(&cpu, &machine)
    var done = 0
    var flushes = false
    var failure: XenError?
    var refused: UpdateQueue.Request?
    for request in requests {
      do throws(XenError) {
        if try xen.update(request.place, request.value, &cpu, &machine) { flushes = true }
      } catch {
        failure = error
        refused = request
        break
      }
      done += 1
      if let store = request.store { complete(store, at: request.place, &machine) }
    }
    if flushes { machine.flushAllCPUs(&cpu) }
    let tried = done + (failure == nil ? 0 : 1)
    countUpdates(tried, refused: failure == nil ? 0 : 1, &machine)
    // What must be asked for together saves nothing.
    let own = requests.prefix(tried).count { $0.mirrors == nil }
    if let first = requests.first { countAsked(first, tried, saved: own - 1, failure, &machine, cpu.index) }
    if let refused { takeBack(refused, &cpu, &machine) }
    return tried
  }

  private mutating func countAsked(
    _ first: UpdateQueue.Request, _ count: Int, saved: Int, _ failure: XenError?, _ machine: inout MachineState,
    _ cpu: Int
  ) {
    if !isBuilding {
      machine.counters.mmuUpdateCalls += 1
      machine.counters.exitsSaved += UInt64(max(saved, 0))
    }
    let name = count == 1 ? "mmu_update" : "mmu_update of \(count)"
    countHypercall(name, machine.physicalAddress(first.place), first.value, failure, &machine, cpu)
  }

  /// The entry is as the guest wants it: what the port kept of the one before goes.
  private mutating func complete(_ store: UpdateQueue.Store, at place: MachineAddress, _ machine: inout MachineState) {
    if let split = store.oldSplit {
      freeSplit(split, level: store.level - 1, &machine)
    } else {
      unmap(store.old, level: store.level, at: place, &machine)
    }
  }

  /// Xen has refused a request: the page was no table any more, if it can be let go of, and the store is an ordinary one.
  private mutating func takeBack(
    _ request: UpdateQueue.Request, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    guard let store = request.store else { return }
    forget(PageTableEntry(request.value), level: store.level, at: request.place, &machine)
    port.setSplit(store.oldSplit, at: request.place)
    port.setWithheld(store.wasWithheld, at: request.place)
    port.setWanted(nil, at: request.place)
    unregister(store.address.page, &cpu, &machine)
    if !port.isRegistered(store.address.page) { machine.memory.write(request.place, store.value) }
  }

  /// Whether the hardware would read, on its way to an address, an entry that waits.
  func isWaitedFor(
    _ address: VirtualAddress, _ cpu: borrowing VirtualCPU, _ machine: borrowing MachineState
  ) -> Bool {
    var table = cpu.root
    for level in stride(from: 4, through: 1, by: -1) {
      let place = table.entryAddress(address, level: level)
      if queue.value(at: place) != nil { return true }
      let entry = PageTableEntry<MachineSpace>(machine.memory.read(place))
      guard entry.pointsToTable(level: level) else { return false }
      table = entry.frame
    }
    return false
  }

  // MARK: Stores that the guest makes by itself

  /// Whether the guest stores to a table itself, and Xen emulates the store or detaches the table
  /// (`ptwr_do_page_fault`): of level 1 alone.
  func emulatesStore(to address: PhysicalAddress, _ machine: inout MachineState) -> Bool {
    guard machine.settings.direct.stores != .hypercall, !isBuilding else { return false }
    let frame = xen.frames[machine.physmap.machine(address.page)]
    return frame.isTable && frame.kind == .l1
  }

  /// The guest is about to make such a store: what it has asked for before at that place comes first.
  mutating func preparesStore(to address: PhysicalAddress, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    if queue.value(at: machine.physmap.machine(address)) != nil { settle(&cpu, &machine) }
  }

  /// An emulated store: validated like any other change, without a hypercall.
  mutating func storeEmulated(
    _ request: UpdateQueue.Request, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) {
    settle(&cpu, &machine)
    attachAll(&cpu, &machine)
    var failure: XenError?
    do throws(XenError) {
      _ = try xen.update(request.place, request.value, &cpu, &machine)
      if let store = request.store { complete(store, at: request.place, &machine) }
    } catch {
      failure = error
    }
    countUpdates(1, refused: failure == nil ? 0 : 1, &machine)
    if failure != nil { takeBack(request, &cpu, &machine) }
  }
}
