import Machine
import Reporting

/// The files of one run: its event log, its series and the rounds of its dirty log.
struct RunReports: @unchecked Sendable {
  // A file is used by the thread of its run, and after that by the main thread.
  let events: OutputFile?
  let series: OutputFile?
  let dirtyLog: OutputFile?

  /// Creates the files that the command asks for, beside their places.
  init(command: ReplayCommand, trace: String, mode: Mode) throws(Failure) {
    func create(_ path: String?) throws(Failure) -> OutputFile? {
      guard let path else { return nil }
      let parts = (command.traces.count > 1 ? [trace] : []) + (command.modes.count > 1 ? [mode.rawValue] : [])
      return try OutputFile(TraceName.inserting(parts, into: path), sparing: command.traces)
    }
    events = try create(command.events)
    series = try create(command.series)
    dirtyLog = try create(command.dirtyLog)
  }

  func writeHeaders() throws(Failure) {
    try events?.write(EventLog.header)
    try series?.write(Series.header)
    try dirtyLog?.write(DirtyRounds.header)
  }

  func commit() throws(Failure) {
    try events?.commit()
    try series?.commit()
    try dirtyLog?.commit()
  }
}
