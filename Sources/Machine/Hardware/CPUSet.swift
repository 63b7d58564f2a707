/// The virtual CPUs of a machine: one runs, the others are parked with all that they have cached.
@safe struct CPUSet: ~Copyable {
  /// The one that runs.
  var running: VirtualCPU
  private var parked: [Int: UnsafeMutablePointer<VirtualCPU>] = unsafe [:]

  init(first: consuming VirtualCPU) { running = first }

  deinit {
    for index in unsafe parked.keys.sorted() {
      // SAFETY: each was made by `run` and is destroyed once.
      guard let cpu = unsafe parked[index] else { continue }
      unsafe cpu.deinitialize(count: 1)
      unsafe cpu.deallocate()
    }
  }

  /// Lets another CPU run; one that was not seen before starts with nothing cached and the initial registers.
  mutating func run(_ index: Int, _ machine: inout MachineState) {
    guard index != running.index else { return }
    let incoming: UnsafeMutablePointer<VirtualCPU>
    if let known = unsafe parked.removeValue(forKey: index) {
      unsafe incoming = known
    } else {
      // SAFETY: initialised here; whoever is in it is moved out below.
      unsafe incoming = .allocate(capacity: 1)
      unsafe incoming.initialize(to: VirtualCPU(index: index, machine))
    }
    let outgoing = running.index
    // SAFETY: both are initialised.
    unsafe swap(&running, &incoming.pointee)
    unsafe parked[outgoing] = incoming
    machine.catchUp(&running)
  }

  /// Calls for each CPU, the running one first.
  mutating func forEach(_ body: (inout VirtualCPU) -> Void) {
    body(&running)
    // SAFETY: all are initialised. The order is that of their numbers.
    for index in unsafe parked.keys.sorted() {
      if let cpu = unsafe parked[index] { unsafe body(&cpu.pointee) }
    }
  }
}
