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

  private static let accesses = ["r", "w", "x", "R", "W", "X"]

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("--at"), .value("--mode"), .value("--access"), .value("--machine"), .value("--set", repeatable: true),
        .value("--format"),
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
  }

  private static func place(_ text: String?) throws(Failure) -> UInt64 {
    guard let text else {
      throw Failure(.usage, "expected --at N, the operation before which the address is translated")
    }
    guard let number = UInt64(text) else { throw Failure(.usage, "--at \(text): expected a whole number") }
    return number
  }

  func run() throws(Failure) -> Int32 {
    do {
      var reader = try TraceReader(path: trace, format: format)
      var configuration = Configuration(mode: mode, machine: machine, guest: reader.header.guest)
      configuration.settings = settings
      let simulation = try Simulation(configuration)
      let done = try replay(&reader, simulation)
      guard done == place else {
        throw Failure(.usage, "--at \(place): \(trace) has \(done) operations")
      }
      let steps = try simulation.explain(VirtualAddress(address), access)
      try Output.print(heading + WalkExplanation.text(steps, isNested: mode == .nested))
      return 0
    } catch let error as Failure {
      throw error
    } catch let error as TraceError {
      throw Failure(error)
    } catch let error as ReplayError {
      throw Failure(.badData, "\(trace): operation \(error.operation): \(error.message)")
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

  private var heading: String {
    let kind = access.isStore ? "store to" : access.isFetch ? "fetch from" : "load from"
    let ring = access.isUser ? "user" : "supervisor"
    return "\(ring) \(kind) \(String(address, radix: 16)) before operation \(place) of \(TraceName.of(trace)), "
      + "mode \(mode.rawValue), on \(machine.name)\n\n"
  }
}
