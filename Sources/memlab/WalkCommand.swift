import Machine
import Paging
import Reporting
import TraceFormat

/// `memlab walk`: how one address is translated at one place of a trace.
struct WalkCommand {
  private let trace: String
  private let address: UInt64
  /// Operations that are carried out before.
  private let place: UInt64
  private let mode: Mode
  private let access: Access
  private let machine: MachineDescription
  private let settings: Settings
  private let format: TraceSpelling?
  /// Where the picture goes; nil: none is wanted.
  private let picture: String?

  private static let accesses = ["r", "w", "x", "R", "W", "X"]

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("--at"), .value("--mode"), .value("--access"), .value("--machine"), .value("--set", repeatable: true),
        .value("--format"), .value("--svg"),
      ])
    let operands = try arguments.operands(2...2, "a trace and an address")
    trace = operands[0]
    let digits = operands[1].hasPrefix("0x") ? String(operands[1].dropFirst(2)) : operands[1]
    guard let address = UInt64(digits, radix: 16), !digits.hasPrefix("+") else {
      throw Failure(.usage, "\(operands[1]): expected a hexadecimal address")
    }
    self.address = address
    place = try Self.place(arguments.value("--at"))
    let modes = try ReplayCommand.modes(arguments.value("--mode") ?? Mode.nested.rawValue)
    guard modes.count == 1, let mode = modes.first else { throw Failure(.usage, "--mode: expected one mode") }
    self.mode = mode
    // As the kernels on x86-64 divide the addresses.
    let usual = address >> 63 == 0 ? "r" : "R"
    let name = arguments.value("--access") ?? usual
    guard let index = Self.accesses.firstIndex(of: name) else {
      throw .unknown("access", name, among: Self.accesses)
    }
    access = Access([.load, .store, .fetch][index % 3], user: index < 3)
    (machine, settings) = try ReplayCommand.configured(arguments.value("--machine"), arguments.all("--set"))
    format = try TraceSpelling.named(arguments.value("--format"))
    picture = arguments.value("--svg")
  }

  private static func place(_ text: String?) throws(Failure) -> UInt64 {
    guard let text else {
      throw Failure(.usage, "expected --at N, the operation before which the address is translated")
    }
    guard let number = UInt64(text) else { throw Failure(.usage, "--at \(text): expected a whole number") }
    return number
  }

  func run() throws(Failure) -> Int32 {
    let file = try picture.map { path throws(Failure) in try OutputFile(path) }
    let steps = try translate(under: mode, settings)
    if let file {
      try file.write(try drawing(steps).svg)
      try file.commit()
    }
    if picture.map(OutputFile.isStandardOutput) != true {
      try Output.print(
        heading + "\n\n" + WalkExplanation.text(steps, isNested: mode == .nested, beside: try guestSteps()))
    }
    return 0
  }

  /// The steps of the translation in a mode, after a replay of what comes before.
  private func translate(under mode: Mode, _ settings: Settings) throws(Failure) -> [WalkStep] {
    do {
      var reader = try TraceReader(path: trace, format: format)
      var configuration = Configuration(mode: mode, machine: machine, guest: reader.header.guest)
      configuration.settings = settings
      let simulation = try Simulation(configuration)
      let done = try replay(&reader, simulation)
      guard done == place else {
        throw Failure(.usage, "--at \(place): \(trace) has \(done) operations")
      }
      return try simulation.explain(VirtualAddress(address), access)
    } catch let error as Failure {
      throw error
    } catch let error as TraceError {
      throw Failure(error)
    } catch let error as ReplayError {
      throw Failure(error, in: trace, format)
    } catch {
      throw Failure(.internalError, "\(trace): \(error)")
    }
  }

  /// Carries out the operations before the place; returns how many there were.
  private func replay(_ reader: inout TraceReader, _ simulation: Simulation) throws -> UInt64 {
    var batch = OperationBatch()
    var done: UInt64 = 0
    while done < place {
      if Cancellation.isOn { throw Failure(.interrupted, "") }
      guard try reader.read(into: &batch) else { break }
      batch.count = min(batch.count, Int(clamping: place - done))
      try simulation.replay(batch)
      done += UInt64(batch.count)
    }
    return done
  }

  /// The same translation by native hardware, where the mode's hardware walks a table of the hypervisor's; every entry is
  /// read.
  private func guestSteps() throws(Failure) -> [WalkStep]? {
    guard mode == .shadow || mode == .emulatedTLB else { return nil }
    var plain = settings
    _ = plain.set("walk.cache", to: "none")
    return try translate(under: .native, plain)
  }

  /// What the hardware walks; where that is a table of the hypervisor's, the guest's own below it.
  private func drawing(_ steps: [WalkStep]) throws(Failure) -> WalkDrawing {
    let titles: [Mode: String] = [
      .native: "the guest's tables", .nested: "the guest's tables, through the nested table",
      .emulatedTLB: "the hypervisor's table, filled as a TLB would be", .shadow: "the shadow table",
      .direct: "the guest's tables, which hold machine frames",
    ]
    var panels = [WalkDrawing.Panel(title: titles[mode] ?? mode.rawValue, steps: steps, isNested: mode == .nested)]
    if let own = try guestSteps() {
      panels.append(.init(title: "the guest's own tables, which native hardware walks", steps: own, isNested: false))
    }
    return WalkDrawing(heading: heading, panels: panels)
  }

  private var heading: String {
    let kind = access.isStore ? "store to" : access.isFetch ? "fetch from" : "load from"
    let ring = access.isUser ? "user" : "supervisor"
    return "\(ring) \(kind) \(String(address, radix: 16)) before operation \(place) of \(TraceName.of(trace)), "
      + "mode \(mode.rawValue), on \(machine.name)"
  }
}
