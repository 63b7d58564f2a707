import Machine
import MachineDescriptions
import Reporting

/// `memlab host`: several virtual machines on one host.
struct HostCommand {
  private let path: String
  private let file: HostFile
  private let csv: String?
  private let series: String?
  private let interval: String?
  private let timeline: String?
  private let limit: String?
  private let checks: Bool
  private let isQuiet: Bool

  init(_ words: [String]) throws(Failure) {
    let arguments = try Arguments(
      words,
      options: [
        .value("--csv"), .value("--series"), .value("--interval"), .value("--limit"), .value("--timeline"),
        .flag("--check"),
        .flag("--quiet"),
      ])
    path = try arguments.operands(1...1, "one host; see `memlab help host`")[0]
    csv = arguments.value("--csv")
    series = arguments.value("--series")
    interval = arguments.value("--interval")
    timeline = arguments.value("--timeline")
    limit = arguments.value("--limit")
    checks = arguments.has("--check")
    isQuiet = arguments.has("--quiet")
    do throws(MachineError) {
      file = try HostFile(path: path)
    } catch {
      throw Failure(error)
    }
  }

  func run() throws(Failure) -> Int32 {
    let csvFile = try csv.map { path throws(Failure) in try OutputFile(path) }
    let host = Host(file.settings)
    var members: [SharedMachine.Member] = []
    var known = Foresight()
    for entry in file.entries {
      let pass = try pass(entry)
      var machine = entry.machine
      if entry.hasForesight { machine.lastUses = try known.lastUses(of: pass) }
      members.append(.init(pass: pass, place: .machine(host, machine)))
    }
    let progress = Progress(passes: members.count, isVisible: !isQuiet && Progress.hasAudience)
    defer { progress.finish() }
    let rows = try timeline.map { path throws(Failure) in try OutputFile(path) }
    try rows?.write(HostTimeline.header)
    var lines = HostTimeline(file.entries.map { ($0.machine.name, $0.mode) })
    let outcomes = try SharedMachine(members: members, quantum: file.quantum).run(
      report: { progress.update(pass: $0, operations: $1, fraction: $2) },
      afterRound: { counters throws(Failure) in try rows?.write(lines.lines(counters, host)) })
    try rows?.commit()
    let runs = outcomes.map(\.run)
    for outcome in outcomes { try outcome.reports.commit() }
    if let csvFile {
      try csvFile.write(CounterTable.csv(runs))
      try csvFile.commit()
    }
    if !isQuiet && ![csv, series, timeline].compactMap(\.self).contains(where: OutputFile.isStandardOutput) {
      try Output.print(HostSummary.text(runs, host))
    }
    guard let command = members.first?.pass.command else { return 0 }
    return command.conclude(runs)
  }

  /// The replay of one machine's trace; the machine's name is the trace's in reports.
  private func pass(_ entry: HostFile.Entry) throws(Failure) -> Pass {
    let trace = entry.trace.hasPrefix("/") ? entry.trace : folder + entry.trace
    var words = ["--mode", entry.mode.rawValue, "--machine", file.processor]
    for key in entry.keys { words += ["--set", "\(key.name)=\(key.value)"] }
    if let series { words += ["--series", TraceName.inserting([entry.machine.name], into: series)] }
    if let interval { words += ["--interval", interval] }
    if let limit = entry.limit.map(String.init) ?? limit { words += ["--limit", limit] }
    if checks { words.append("--check") }
    let command: ReplayCommand
    do throws(Failure) {
      command = try ReplayCommand(words + ["--", trace])
      try Pass.checkOpens(trace, nil)
    } catch {
      throw Failure(status: error.status, "\(path): machines.\(entry.machine.name): \(error.message)")
    }
    let member = Pass.Member(
      mode: entry.mode, reports: try RunReports(command: command, trace: entry.machine.name, mode: entry.mode))
    return Pass(command: command, path: trace, name: entry.machine.name, members: [member])
  }

  /// Of the host's file, where its traces are looked for.
  private var folder: String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }
}

/// What the machines of a host had of it, for people.
enum HostSummary {
  static func text(_ runs: [Run], _ host: Host) -> String {
    var table = TextTable()
    table.row(
      "machine",
      [
        "mode", "operations", "mapped", "shared", "swapped", "ballooned", "overhead", "true faults", "hidden_host",
        "swap-ins",
        "swap-outs", "double paged", "guest swap-ins", "waits", "disk cycles", "cycles",
      ])
    for run in runs {
      let c = run.counters
      table.row(
        run.trace,
        [run.mode.rawValue]
          + [
            c.operations, c.hostMapped, c.hostShared, c.hostSwapped, c.hostBallooned, c.hostOverhead, c.trueFaults,
            c.hiddenHost,
            c.hostSwapIns, c.hostSwapOuts, c.hostDoublePaged, c.guestPagesSwappedIn, c.hostWaits,
            c.hostDiskCycles, c.cyclesTotal,
          ].map(Decimal.grouped))
    }
    let pages = host.settings.memory >> 12
    let changes = HostState.allCases.reversed().map { "\($0) \(host.changes[$0] ?? 0)" }.joined(separator: ", ")
    let (shared, frames) = host.sharing
    let saved = shared > 0 ? "; \(Decimal.grouped(UInt64(shared))) pages share \(frames) frames" : ""
    return table.text() + "\n"
      + "host: \(Decimal.grouped(pages)) frames, \(Decimal.grouped(UInt64(host.freeFrames))) free at the end, state "
      + "\(host.state); times that each state was come to: \(changes)\(saved)\n"
  }
}
