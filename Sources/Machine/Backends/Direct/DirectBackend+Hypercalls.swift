internal import Paging

extension DirectBackend {
  /// Books a hypercall. `page` is what it names, by physical address.
  func countHypercall(
    _ name: String, _ address: PhysicalAddress?, _ value: UInt64?, _ failure: XenError?,
    _ machine: inout MachineState, _ cpu: Int
  ) {
    guard !isBuilding else { return }
    machine.counters.hypercalls += 1
    machine.counters.exitHypercall += 1
    machine.counters.cycles.hypercall += machine.description.costs.hypercall
    guard machine.log.recordsEvents else { return }
    var event = Event(operation: machine.operation, cpu: cpu, kind: .hypercall, cause: name)
    event.physical = address
    event.value = value
    event.result = failure?.result ?? "0"
    machine.log.append(event)
  }

  /// `mmu_update` of one entry. Returns whether Xen accepted it.
  mutating func update(
    _ place: MachineAddress, _ value: UInt64, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> Bool {
    var failure: XenError?
    do throws(XenError) { try frames.update(place, value, &cpu, &machine) } catch { failure = error }
    countHypercall("mmu_update", machine.physicalAddress(place), value, failure, &machine, cpu.index)
    if !isBuilding {
      machine.counters.mmuUpdates += 1
      machine.counters.cycles.validation += machine.description.costs.validation
      if failure != nil { machine.counters.mmuUpdatesRejected += 1 }
    }
    return failure == nil
  }

  mutating func pin(_ page: PPN, level: Int, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    var failure: XenError?
    do throws(XenError) {
      try frames.pin(machine.physmap.machine(page), level: level, &cpu, &machine)
    } catch {
      failure = error
    }
    countHypercall("mmuext_op pin_l\(level)_table", page.address, nil, failure, &machine, cpu.index)
    if let failure {
      machine.diverge(
        expected: "Xen to accept the page \(page.address.hexadecimal) as a table of level \(level)",
        found: "error \(failure.result)")
    }
  }

  mutating func unpin(_ page: PPN, _ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let frame = machine.physmap.machine(page)
    guard frames[frame].isPinned else { return }
    var failure: XenError?
    do throws(XenError) { try frames.unpin(frame, &machine) } catch { failure = error }
    countHypercall("mmuext_op unpin_table", page.address, nil, failure, &machine, cpu.index)
  }

  /// `MMUEXT_NEW_BASEPTR` with the table that CR3 names; a new one is registered and pinned before.
  mutating func loadBase(_ cpu: inout VirtualCPU, _ machine: inout MachineState) {
    let page = cpu.registers.root
    register(page, level: 4, &cpu, &machine)
    let frame = machine.physmap.machine(page)
    if !frames[frame].isPinned { pin(page, level: 4, &cpu, &machine) }
    var failure: XenError?
    if bases[cpu.index] != frame {
      do throws(XenError) { try frames.get(frame, as: .l4, &cpu, &machine) } catch { failure = error }
      if failure == nil {
        if let old = bases[cpu.index] { frames.put(old, &machine) }
        bases[cpu.index] = frame
      }
    }
    countHypercall("mmuext_op new_baseptr", page.address, nil, failure, &machine, cpu.index)
    if let failure {
      machine.diverge(
        expected: "Xen to take \(page.address.hexadecimal) as base table", found: "error \(failure.result)")
    }
    cpu.root = bases[cpu.index] ?? frame
  }
}

extension MachineState {
  /// The physical address of a place in the guest's memory, nil for a port's extra table.
  func physicalAddress(_ place: MachineAddress) -> PhysicalAddress? {
    guard let page = physmap.physical(place.page) else { return nil }
    return PhysicalAddress(page.address.raw | place.offset)
  }
}
