import Paging

@testable import Machine

/// One translation at a time under nested paging, with nested entries set by hand: physical page 10 is the guest's top
/// table, 11 to 13 the ones below, 20 the data page at virtual 0. The nested table is complete and grants everything.
struct NestedBench: ~Copyable {
  var backend: NestedBackend
  var machine: MachineState
  var cpu: VirtualCPU

  /// The physical page that virtual 0 leads to.
  var dataPage: UInt64 = 0x20
  /// The physical page of the guest's table of a level.
  static func table(_ level: Int) -> UInt64 { 0x14 - UInt64(level) }

  init(
    _ keys: [String: String], guest flags: EntryFlags = [.present, .writable, .user], accessed: Bool = true,
    caches: [Int: Int] = [:], nestedCaches: [Int: Int] = [:], pageWalkCache: PageWalkCacheGeometry? = nil
  ) throws {
    var description = MachineDescription()
    description.pagingStructureCaches = caches
    description.nestedStructureCaches = nestedCaches
    description.pageWalkCache = pageWalkCache
    var configuration = Configuration(mode: .nested, machine: description, guest: .scenario)
    configuration.recordsEvents = true
    for (key, value) in keys {
      if let problem = configuration.settings.set(key, to: value) { throw BadKey(problem: "\(key): \(problem)") }
    }
    configuration.settings.isNestedTableEager = true
    var state = MachineState(configuration)
    state.ramPages = 1 << 10
    var backend = try NestedBackend(&state)
    var cpu = VirtualCPU(index: 0, state)
    cpu.registers.cr3 = Self.table(4) << 12
    try backend.start(&cpu, &state, isFirst: true)
    self.backend = backend
    self.cpu = cpu
    machine = state
    let bits: EntryFlags = accessed ? [.present, .writable, .user, .accessed] : [.present, .writable, .user]
    for level in 2...4 {
      machine.setGuestWord(PhysicalAddress(Self.table(level) << 12), Self.table(level - 1) << 12 | bits.rawValue)
    }
    let leaf = accessed ? flags.union([.accessed, .dirty]) : flags
    machine.setGuestWord(PhysicalAddress(Self.table(1) << 12), 0x2_0000 | leaf.rawValue)
  }

  struct BadKey: Error { var problem: String }

  /// The machine's word of the nested entry of a level for a physical page.
  func nested(_ page: UInt64, level: Int = 1) -> UInt64 {
    backend.table.place(PPN(page), level: level, machine).map { machine.memory.read($0) } ?? 0
  }

  mutating func set(_ value: UInt64, for page: UInt64, level: Int = 1) {
    guard let place = backend.table.place(PPN(page), level: level, machine) else { return }
    machine.memory.write(place, value)
  }

  mutating func grant(_ rights: NestedRights, to page: UInt64, level: Int = 1) {
    set(backend.table.rules.format.setting(rights, in: nested(page, level: level)), for: page, level: level)
  }

  /// The guest's entry of a level.
  mutating func guest(_ level: Int) -> PageTableEntry<PhysicalSpace> {
    PageTableEntry(machine.guestWord(PhysicalAddress(Self.table(level) << 12)))
  }

  /// What one walk of an address comes to: `ok`, `#PF code`, or what the hypervisor is told with the physical page.
  mutating func outcome(_ kind: AccessKind, at address: UInt64 = 0, user: Bool = true) -> String {
    switch backend.walk(VirtualAddress(address), Access(kind, user: user), &cpu, &machine) {
    case .translated: return "ok"
    case .fault(let fault):
      guard let nested = fault.nested else { return "#PF " + String(fault.code.rawValue, radix: 16) }
      return nested.description + " at " + String(nested.place.page.raw, radix: 16)
    }
  }
}
