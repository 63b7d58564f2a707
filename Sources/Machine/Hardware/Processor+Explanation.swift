internal import Paging

extension Processor where MMU: ~Copyable {
  /// Makes an access and tells every step of its translation. A hit of the TLB is told, and then the walk is made that
  /// would have been made without.
  mutating func explain(_ address: VirtualAddress, _ access: Access) throws(ReplayError) -> [WalkStep] {
    try settlePending()
    guard address.isCanonical(levels: cpus.running.registers.levels) else {
      return [.stopped("the address is not canonical: a general-protection fault")]
    }
    if !cpus.running.hasStarted { try start() }
    follow(access)
    machine.notes = WalkNotes()
    defer { machine.notes = nil }
    let first = cpus.running.lookUpFirst(address.page.raw, access)
    note(1, first, address.page, access)
    if first & access.bit == 0 {
      note(2, cpus.running.second.lookUp(address.page.raw, context: cpus.running.context), address.page, access)
    }
    for _ in 0..<100 {
      machine.notes?.begin(levels: cpus.running.hardwareControls.levels)
      if isSettled(address, access) { break }
    }
    noteFrames()
    return machine.notes?.steps ?? []
  }

  /// The frames that the walk read entries in, and the one that it led to, as the hypervisor books them.
  private mutating func noteFrames() {
    var frames: [MPN] = []
    for step in machine.notes?.steps ?? [] {
      switch step {
      case .reference(let reference): frames.append(reference.address.page)
      case .translated(let frame, _): frames.append(frame)
      default: break
      }
    }
    var seen: Set<MPN> = []
    for frame in frames where seen.insert(frame).inserted {
      if let account = backend.account(of: frame) { machine.notes?.append(.frame(account)) }
    }
  }

  private mutating func note(_ level: Int, _ entry: UInt64, _ page: VPN, _ access: Access) {
    let found = entry & access.bit != 0 ? TLBData.frame(entry, of: page) : nil
    machine.notes?.append(.lookUp(level: level, found: found))
  }

  /// Walks once; false: the walk is to be made again.
  private mutating func isSettled(_ address: VirtualAddress, _ access: Access) -> Bool {
    switch backend.walk(address, access, &cpus.running, &machine) {
    case .translated(let found):
      machine.notes?.append(.translated(found.frame(of: address.page), size: found.size))
      return true
    case .fault(let fault):
      cpus.running.dropAfterFault(address)
      let cause = fault.nested.map { "\($0.description), physical \($0.place.hexadecimal)" }
      let what = cause ?? "page fault, code \(fault.code.hexadecimal)"
      switch backend.resolve(fault, &cpus.running, &machine) {
      case .retry:
        machine.notes?.append(.stopped("\(what): an exit; the hypervisor mends its table, and the walk begins again"))
        return false
      case .emulated(let page):
        let place = String(page.raw, radix: 16)
        let end = "an exit; the hypervisor carries out the access to physical page \(place)"
        machine.notes?.append(.stopped("\(what): \(end)"))
      case .deliver(let pageFault):
        machine.notes?.append(.stopped("\(what): the guest gets a page fault with code \(pageFault.code.hexadecimal)"))
      }
      return true
    }
  }
}
