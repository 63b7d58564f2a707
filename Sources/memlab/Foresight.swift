import Machine
import Paging

/// What is known of traces before they are replayed: a pass over each, on a bare machine.
struct Foresight {
  private var known: [String: [UInt64]] = [:]

  /// When each page of a trace is used for the last time.
  mutating func lastUses(of pass: Pass) throws(Failure) -> [UInt64] {
    let name = "\(pass.path) \(pass.command.limit ?? .max)"
    if let uses = known[name] { return uses }
    do {
      var source = try pass.source()
      guard source.header.guest != .process else {
        throw Failure(
          .badData, "\(pass.path): foresight of a process trace, whose kernel has a balloon driver of its own")
      }
      var configuration = Configuration(mode: .native, machine: pass.command.machine, guest: source.header.guest)
      configuration.settings = pass.command.settings
      configuration.notesLastUses = true
      let simulation = try Simulation(configuration)
      var batch = OperationBatch()
      var rest = pass.command.limit ?? .max
      while rest > 0, try source.read(into: &batch) {
        batch.count = min(batch.count, Int(clamping: rest))
        rest -= UInt64(batch.count)
        try simulation.replay(batch)
      }
      known[name] = simulation.lastUses
      return simulation.lastUses
    } catch {
      throw pass.failure(error)
    }
  }
}
