import Machine
import Paging
import Reporting

/// One simulation with its clock and its reports.
struct Runner {
  private let simulation: Simulation
  private let reports: RunReports
  private let pass: Pass
  private let clock = ContinuousClock()
  private var replaying = Duration.zero
  private var series = Series()
  private(set) var operations: UInt64 = 0

  init(
    _ member: Pass.Member, of pass: Pass, guest: TraceHeader.Guest, on place: SharedMachine.Place? = nil
  ) throws(Failure) {
    self.pass = pass
    reports = member.reports
    var configuration = Configuration(mode: member.mode, machine: pass.command.machine, guest: guest)
    configuration.settings = pass.command.settings
    configuration.checks = pass.command.checks
    configuration.recordsEvents = reports.events != nil
    configuration.recordsDirtyRounds = reports.dirtyLog != nil
    do throws(ReplayError) {
      simulation =
        switch place {
        case nil: try Simulation(configuration)
        case .domain(let host): try Simulation(configuration, on: host)
        case .machine(let host, let machine): try Simulation(configuration, on: host, as: machine)
        }
    } catch {
      // What a host promises is written in its file.
      if case .machine? = place { throw Failure(.badData, "\(pass.path): \(error.message)") }
      throw Failure(.usage, "\(pass.path), mode \(member.mode.rawValue): \(error.message)")
    }
    try reports.writeHeaders()
  }

  /// Replays a batch, or the operations with these indices; where a row of the series ends within them, in parts.
  mutating func replay(_ batch: OperationBatch, _ range: Range<Int>? = nil) throws {
    let range = range ?? 0..<batch.count
    guard let interval = pass.command.interval else { return try replayAtOnce(batch, range) }
    var first = range.lowerBound
    while first < range.upperBound {
      let room = Int(clamping: interval - operations % interval)
      let end = min(first + room, range.upperBound)
      try replayAtOnce(batch, first..<end)
      if operations % interval == 0 { try writeSeriesRow() }
      first = end
    }
  }

  private mutating func replayAtOnce(_ batch: OperationBatch, _ range: Range<Int>) throws {
    let start = clock.now
    try simulation.replay(batch, range)
    replaying += clock.now - start
    operations += UInt64(range.count)
    try writeEvents()
  }

  private func writeEvents() throws(Failure) {
    if let file = reports.dirtyLog {
      for round in simulation.takeDirtyRounds() { try file.write(DirtyRounds.row(round)) }
    }
    guard let file = reports.events else { return }
    for event in simulation.takeEvents() { try file.write(EventLog.row(event)) }
  }

  private mutating func writeSeriesRow() throws(Failure) {
    try reports.series?.write(series.row(to: simulation.counters))
  }

  var counters: Counters { simulation.counters }

  func waits() throws(ReplayError) -> Bool { try simulation.waits() }

  /// Ends the run.
  consuming func outcome(decoding: Duration) throws -> Outcome {
    let start = clock.now
    try simulation.finish()
    replaying += clock.now - start
    try writeEvents()
    if let interval = pass.command.interval, operations % interval != 0 { try writeSeriesRow() }
    var run = Run(
      trace: pass.name, mode: simulation.configuration.mode, machine: pass.command.machine.name,
      counters: simulation.counters, seconds: (decoding + replaying).seconds, divergences: simulation.divergences)
    run.settings = pass.command.changes.joined(separator: " ")
    let isCompared = pass.command.checks && pass.command.modes.count > 1 && pass.command.modes.contains(.native)
    return Outcome(run: run, reports: reports, tables: isCompared ? simulation.guestTables() : nil)
  }
}
