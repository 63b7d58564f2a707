public import Paging

/// Leaves out of a trace the accesses that hit in the first level of every TLB it is stripped for, and change nothing.
///
///     var stripper = try Stripper(machines: machines, modes: Mode.allCases, Settings(), guest: reader.header.guest)
///     while try reader.read(into: &batch) { try writer.append(try stripper.strip(batch)) }
///     try writer.append(stripper.finish())
///
/// Whether an access can be left out depends on what the accesses before it have done, under each mode: a fault may make a
/// hypervisor drop entries of other pages. So what is kept is carried out as well, under every mode, by machines without
/// any cache.
public struct Stripper {
  private let guides: [Simulation]
  private var filter: StripFilter
  /// The changes that each guide had seen after the operation before.
  private var disturbances: [UInt64]
  /// One operation on its way to the guides.
  private var single = OperationBatch()
  /// Loads, stores and fetches that have been left out since the last `folded`.
  private var folded: [UInt64] = [0, 0, 0]
  /// Operations kept since then.
  private var keptSince = 0
  /// Operations that were read, and that were kept.
  public private(set) var operations: UInt64 = 0
  public private(set) var kept: UInt64 = 0

  /// A `folded` comes at the earliest behind so many operations.
  private static var spacing: Int { 256 }

  /// Throws if one of the machines cannot do what is asked, with operation number 0.
  public init(
    machines: [MachineDescription], modes: [Mode], _ settings: Settings, guest: TraceHeader.Guest
  ) throws(ReplayError) {
    if let problem = Self.problem(machines, settings) { throw ReplayError(operation: 0, message: problem) }
    filter = StripFilter(machines)
    var guides: [Simulation] = []
    for mode in modes {
      for machine in machines {
        // Machines that differ in their caches alone need one guide.
        var configuration = Configuration(mode: mode, machine: Self.bare(machine), guest: guest)
        configuration.settings = settings
        let isKnown = guides.contains {
          $0.configuration.mode == mode && $0.configuration.machine == configuration.machine
        }
        if !isKnown { guides.append(try Simulation(configuration)) }
      }
    }
    self.guides = guides
    disturbances = Array(repeating: 0, count: guides.count)
  }

  private static func problem(_ machines: [MachineDescription], _ settings: Settings) -> String? {
    if settings.logsDirtyPages { return "dirty logging goes by numbers of operations, which differ in a stripped trace" }
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

  /// The operations of a batch without those that are left out.
  public mutating func strip(_ batch: OperationBatch) throws(ReplayError) -> OperationBatch {
    var result = OperationBatch()
    result.firstNumber = kept
    var hasFolded = false
    for index in 0..<batch.count {
      let operation = batch.operations[index]
      if operation.isAccess {
        let isWhole = operation.kind == .fetch || operation.address & 0xfff + UInt64(operation.size) <= 0x1000
        let access = Access(operation.kind, user: operation.isUser)
        if isWhole && filter.holds(operation.address >> 12, access) {
          folded[Int(operation.kind.rawValue)] += 1
          hasFolded = true
          continue
        }
        // With one left out in this batch there is room for a further operation.
        if hasFolded && keptSince >= Self.spacing {
          appendFolded(to: &result)
          hasFolded = false
        }
        let isPlain = try guide(operation, in: batch, index)
        note(operation, access, isWhole: isWhole, isPlain: isPlain)
      } else {
        _ = try guide(operation, in: batch, index)
        filter.removeAll()
      }
      result.append(operation, from: batch)
      keptSince += 1
    }
    operations += UInt64(batch.count)
    kept += UInt64(result.count)
    return result
  }

  /// What is still to be written.
  public mutating func finish() -> OperationBatch {
    var result = OperationBatch()
    result.firstNumber = kept
    if folded != [0, 0, 0] { appendFolded(to: &result) }
    kept += UInt64(result.count)
    return result
  }

  private mutating func appendFolded(to batch: inout OperationBatch) {
    batch.append(Operation(.folded), words: folded)
    folded = [0, 0, 0]
    keptSince = 0
  }

  private mutating func note(_ operation: Operation, _ access: Access, isWhole: Bool, isPlain: Bool) {
    if !isPlain { filter.removeAll() }
    guard isWhole else {
      // Two pages, of which the filter knows one size: rare enough to forget all.
      return filter.removeAll()
    }
    filter.note(operation.address >> 12, access, guides.first?.latestSize ?? .small, isPlain: isPlain)
  }

  /// Has every guide carry an operation out. Returns whether none saw more than a walk that found its way.
  private mutating func guide(
    _ operation: Operation, in batch: OperationBatch, _ index: Int
  ) throws(ReplayError) -> Bool {
    single.removeAll(first: batch.firstNumber + UInt64(index))
    single.append(operation, from: batch)
    var isPlain = true
    for (index, guide) in guides.enumerated() {
      try guide.replay(single)
      let now = guide.disturbances
      if now != disturbances[index] { isPlain = false }
      disturbances[index] = now
    }
    return isPlain
  }
}

extension OperationBatch {
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
