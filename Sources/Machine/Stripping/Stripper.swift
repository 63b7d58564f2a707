public import Paging

/// Leaves out of a trace accesses that hit in the first level of every TLB it is stripped for, and change nothing but
/// the order of use, which the others then tell as far as it matters.
///
///     var stripper = try Stripper(machines: machines, modes: Mode.allCases, Settings(), guest: reader.header.guest)
///     while try reader.read(into: &batch) {
///       for kept in try stripper.strip(batch) { try writer.append(kept) }
///     }
///     for kept in stripper.finish() { try writer.append(kept) }
///
/// Whether an access can be left out depends on what the accesses before it have done, under each mode: a fault may make a
/// hypervisor drop entries of other pages. So what is kept is carried out as well, under every mode, by two machines: one
/// without a TLB, and one whose TLB loses nothing. Where they do not do the same, it depends on the TLB what happens:
/// see ``StripDoubts``.
public struct Stripper {
  /// Without a TLB, and with a large one, in turns.
  private let guides: [Simulation]
  /// Of each guide, its faults and exits so far, and its context.
  private var states: [(faultsAndExits: UInt64, context: UInt64)]
  private var filter: StripFilter
  /// One operation on its way to the guides.
  private var single = OperationBatch()
  /// What has been kept and not been fetched.
  private var current = OperationBatch()
  private var full: [OperationBatch] = []
  /// Stores to tables wait, under some mode, for the operation behind them.
  private let waits: Bool
  /// The operation before may do something only now.
  private var isWaiting = false
  private var doubts = StripDoubts()
  /// Operations that were read, and that are in the stripped trace.
  public private(set) var operations: UInt64 = 0
  public private(set) var kept: UInt64 = 0
  private var toldLast: UInt64 = 0

  /// A `folded` comes at the earliest behind so many operations.
  private static var spacing: UInt64 { 256 }

  /// Throws if one of the machines cannot do what is asked.
  public init(
    machines: [MachineDescription], modes: [Mode], _ settings: Settings, guest: TraceHeader.Guest
  ) throws(ReplayError) {
    if let problem = Self.problem(machines, settings) { throw ReplayError(operation: nil, message: problem) }
    filter = StripFilter(machines)
    var guides: [Simulation] = []
    for mode in modes {
      for machine in machines {
        // Machines that differ in their caches alone need one guide.
        var configuration = Configuration(mode: mode, machine: Self.bare(machine), guest: guest)
        configuration.settings = settings
        configuration.logsDrops = true
        let isKnown = guides.contains {
          $0.configuration.mode == mode && $0.configuration.machine == configuration.machine
        }
        if isKnown { continue }
        guides.append(try Simulation(configuration))
        configuration.machine.l1Data = Self.largeLevel
        configuration.machine.l1Instruction = Self.largeLevel
        guides.append(try Simulation(configuration))
      }
    }
    self.guides = guides
    states = Array(repeating: (0, 0), count: guides.count)
    waits = modes.contains(.direct)
  }

  private static func problem(_ machines: [MachineDescription], _ settings: Settings) -> String? {
    if settings.logsDirtyPages {
      return "dirty logging goes by numbers of operations, which differ in a stripped trace"
    }
    if settings.hasSpuriousFaults { return "tlb.spurious=on: faults would depend on the size of the TLB" }
    guard let machine = machines.first(where: { $0.softwareTLB != nil }) else { return nil }
    return "\(machine.name): its TLB is filled by software, with random victims"
  }

  /// What decides where walks lead, without names, caches and costs.
  private static func bare(_ machine: MachineDescription) -> MachineDescription {
    var bare = MachineDescription()
    bare.maxPhysicalAddressBits = machine.maxPhysicalAddressBits
    bare.hasHugePages = machine.hasHugePages
    bare.hasFiveLevels = machine.hasFiveLevels
    bare.hasPCID = machine.hasPCID
    bare.allSensitiveInstructionsTrap = machine.allSensitiveInstructionsTrap
    return bare
  }

  private static var largeLevel: [TLBGeometry] {
    zip(PageSize.allCases, [4096, 1024, 64]).map { TLBGeometry([$0], sets: $1, ways: 16) }
  }

  /// Takes a batch. Returns what is to be written by now.
  public mutating func strip(_ batch: OperationBatch) throws(ReplayError) -> [OperationBatch] {
    for index in 0..<batch.count {
      let operation = batch.operations[index]
      if operation.isAccess && !isWaiting && operation.isWithinOnePage && doubts.allow(operation.address >> 12) {
        if filter.folds(operation, Access(operation.kind, user: operation.isUser)) { continue }
      }
      try keep(operation, in: batch, index)
    }
    operations += UInt64(batch.count)
    defer { full = [] }
    return full
  }

  /// What is still to be written.
  public mutating func finish() -> [OperationBatch] {
    filter.forget(.whole)
    if filter.folded != [0, 0, 0] { emit(Operation(.folded), filter.takeFolded()) }
    defer { full = [] }
    return full + [current]
  }

  private mutating func keep(_ operation: Operation, in batch: OperationBatch, _ index: Int) throws(ReplayError) {
    let effects = try guide(operation, in: batch, index)
    let places = batch.places(of: operation)
    doubts.note(operation, places.map(\.page), effects.drops, differ: effects.differ, isFlush: effects.isFlush)
    // What is dropped now, or by a store that waits for what follows, must have been used before in its order.
    var tells: [Operation] = []
    let settlesAll = doubts.areGeneral || waits && operation.waits
    filter.settle(settlesAll ? .whole : effects.drops) { tells.append($0) }
    for place in places { filter.settle(place.page, isFetch: place.access.isFetch) { tells.append($0) } }
    for told in tells { emit(told, []) }
    // What waits goes by what follows it.
    if !isWaiting && kept - toldLast >= Self.spacing && filter.folded != [0, 0, 0] {
      emit(Operation(.folded), filter.takeFolded())
      toldLast = kept
    }
    emit(operation, from: batch)
    filter.forget(doubts.areGeneral ? .whole : effects.drops)
    let isPlain = operation.isAccess && places.count == 1 && effects.isPlain
    for place in places { filter.note(place.page, place.access, isPlain ? effects.size : nil, isPlain: isPlain) }
    isWaiting = waits && operation.waits
  }

  /// What an operation has done on any guide; `differ`: not the same on two of one mode; `isFlush`: a flush on all.
  private struct Effects {
    var drops = DropLog()
    var isPlain = true
    var size = PageSize.small
    var differ = false
    var isFlush = true
  }

  /// Has every guide carry an operation out.
  private mutating func guide(
    _ operation: Operation, in batch: OperationBatch, _ index: Int
  ) throws(ReplayError) -> Effects {
    let number = batch.firstNumber + UInt64(index)
    single.removeAll(first: number)
    single.append(operation, from: batch)
    var all = Effects()
    if operation.changesEverything { all.drops.note(nil) }
    var before: (faults: UInt64, drops: DropLog) = (0, DropLog())
    for (index, guide) in guides.enumerated() {
      try guide.replay(single)
      let effects = guide.takeEffects()
      let faults = effects.faultsAndExits - states[index].faultsAndExits
      if index % 2 == 1 && (faults, effects.drops) != before { all.differ = true }
      before = (faults, effects.drops)
      all.drops.add(effects.drops)
      if !effects.drops.isFlush { all.isFlush = false }
      if effects.context != states[index].context { all.drops.note(nil) }
      if faults > 0 { all.isPlain = false }
      states[index] = (effects.faultsAndExits, effects.context)
      if index == 0 { all.size = effects.latestSize }
      if effects.hasReclaimed {
        throw ReplayError(
          operation: number,
          message: "the guest kernel takes pages back, which it chooses by A bits; these depend on the size of the TLB")
      }
    }
    if !all.drops.isEmpty { all.isPlain = false }
    return all
  }

  private mutating func emit(_ operation: Operation, _ words: [UInt64]) {
    makeRoom()
    if words.isEmpty { current.append(operation) } else { current.append(operation, words: words) }
    kept += 1
  }

  private mutating func emit(_ operation: Operation, from batch: OperationBatch) {
    makeRoom()
    current.append(operation, from: batch)
    kept += 1
  }

  private mutating func makeRoom() {
    guard current.isFull else { return }
    full.append(current)
    current.removeAll(first: kept)
  }
}

extension Operation {
  /// An access that one look-up serves.
  fileprivate var isWithinOnePage: Bool { kind == .fetch || address & 0xfff + UInt64(size) <= 0x1000 }

  /// Under direct paging the port asks for it when it knows what follows.
  fileprivate var waits: Bool {
    switch kind {
    case .tableStore, .table, .tableGone, .loadCR3: true
    default: false
    }
  }

  /// What drops more than a log of the TLBs could say.
  fileprivate var changesEverything: Bool {
    switch kind {
    case .load, .store, .fetch, .tableStore, .table, .tableGone, .invlpg, .fault, .interrupt, .readBack: false
    case .map, .unmap, .protect, .discard, .remap: false
    default: true
    }
  }
}

extension OperationBatch {
  /// The pages that an operation may use by way of the TLB.
  fileprivate func places(of operation: Operation) -> [(page: UInt64, access: Access)] {
    switch operation.kind {
    case .load, .store, .fetch:
      let access = Access(operation.kind, user: operation.isUser)
      return Self.pages(operation.address, operation.isWithinOnePage ? 1 : operation.size).map { ($0, access) }
    case .tableStore where operation.hasPayload:
      let address = words[Int(operation.payload) + 1]
      return Self.pages(address, max(operation.size, 1)).map { ($0, Access(AccessKind.store, user: operation.isUser)) }
    case .fault:
      let page = operation.address >> 12
      return [(page, Access(AccessKind.load, user: true)), (page, Access(AccessKind.fetch, user: true))]
    default: return []
    }
  }

  private static func pages(_ address: UInt64, _ size: UInt16) -> [UInt64] {
    let first = address >> 12
    return address & 0xfff + UInt64(size) > 0x1000 ? [first, (address &+ UInt64(size) - 1) >> 12] : [first]
  }

  /// Adds an operation of another batch, with its payload.
  mutating func append(_ operation: Operation, from other: OperationBatch) {
    if operation.kind == .hypercall {
      append(operation, string: other.strings[Int(operation.payload)])
    } else if other.payloadCount(of: operation) > 0 {
      append(operation, words: Array(other.payload(of: operation)))
    } else {
      append(operation)
    }
  }

}
