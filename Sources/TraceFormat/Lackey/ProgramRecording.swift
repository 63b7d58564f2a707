internal import Glibc
public import Paging

/// Runs a program under valgrind's lackey and gives the operations of it and of the processes that it makes, as a
/// process trace, while it runs.
///
/// ```swift
/// let recording = try ProgramRecording(["sort", "words.txt"])
/// while try recording.read(into: &batch) { try writer.append(batch) }
/// ```
///
/// Processes that run side by side take turns in the trace, as on one processor: one runs until it has nothing more to
/// tell while another has, or until it has told 256 KiB of text while another waits. The first process is process 1.
public final class ProgramRecording {
  /// Bytes of lackey's text after which another process gets its turn: about 20,000 accesses.
  static var turn: Int { 1 << 18 }
  /// Bytes that a process nobody has told the making of may keep back.
  static var patience: Int { 1 << 20 }

  public let header: TraceHeader
  private let channel: LackeyChannel
  private let program: RecordedProgram
  private var streams: [UInt64: LackeyStream] = [:]
  /// Processes in the order of their first text.
  private var order: [UInt64] = []
  private var numbers: ProcessNumbers?
  private var running: UInt64 = 0
  /// Bytes taken from the running process since it runs.
  private var taken = 0
  private var isAtEnd = false
  private var next: UInt64 = 0
  /// Operations that wait for room: a switch.
  private var pendingSwitch: Operation?

  /// Starts the program.
  ///
  /// - Parameter words: the program, found as a shell finds it, and its arguments.
  /// - Throws: `unavailable` if there is no valgrind.
  public init(_ words: [String]) throws(TraceError) {
    guard !words.isEmpty else { throw TraceError(.usage, file: "record", "expected a program") }
    header = TraceHeader(guest: .process, notes: [.init(key: "source", value: "lackey")])
    channel = try LackeyChannel()
    program = try RecordedProgram(words, on: channel)
  }

  /// Fills the batch with what the program has done since; the batch may stay empty if that is nothing.
  ///
  /// - Returns: false, with an empty batch, once all its processes have ended.
  public func read(into batch: inout OperationBatch) throws(TraceError) -> Bool {
    batch.removeAll(first: next)
    defer { next += UInt64(batch.count) }
    while batch.hasRoom(for: 4) {
      if let operation = pendingSwitch {
        batch.append(operation)
        pendingSwitch = nil
      }
      if try take(into: &batch) { continue }
      if isAtEnd {
        if schedule(atLeast: 1) { continue }
        return !batch.isEmpty
      }
      if schedule(atLeast: Self.turn) { continue }
      switch try channel.receive(timeout: 20) {
      case .text(let text, let process): receive(text, from: process)
      case .silence:
        if schedule(atLeast: 1) { continue }
        return true
      case .end: isAtEnd = true
      }
    }
    return true
  }

  /// Sends the program and the processes that it has made a signal (`SIGTERM`, `SIGKILL`). What they told before can still
  /// be read.
  public func signal(_ number: Int32) {
    program.signal(number)
    for process in numbers?.children ?? [] { _ = kill(pid_t(truncatingIfNeeded: process), number) }
  }

  /// The program's exit status, or 128 and the number of the signal that ended it. Waits for its end.
  public func wait() -> Int32 { program.wait() }

  private func receive(_ text: [UInt8], from process: UInt64) {
    if numbers == nil {
      numbers = ProcessNumbers(first: process)
      running = process
    }
    if streams[process] == nil {
      streams[process] = LackeyStream()
      order.append(process)
    }
    streams[process]?.append(text)
  }

  /// Takes what there is of the running process; false if that is nothing.
  private func take(into batch: inout OperationBatch) throws(TraceError) -> Bool {
    guard var stream = streams[running], var known = numbers, stream.hasLine else { return false }
    if taken >= Self.turn && schedule(atLeast: 1) { return true }
    streams[running] = nil
    let bytes = try stream.take(into: &batch) { (event, parent, batch) in
      switch event {
      case .fork(let child): self.note(child, of: parent, &known, &batch)
      case .reaped(let child): if self.isSilent(child) { known.append(event, of: self.running, to: &batch) }
      default: known.append(event, of: self.running, to: &batch)
      }
    }
    taken += bytes
    streams[running] = stream
    numbers = known
    return bytes > 0
  }

  /// A child begins with what its parent knows. Its text may have come already.
  private func note(
    _ child: UInt64, of parent: LackeyProcess, _ known: inout ProcessNumbers, _ batch: inout OperationBatch
  ) {
    known.append(.fork(child: child), of: running, to: &batch)
    if streams[child] == nil {
      streams[child] = LackeyStream()
      order.append(child)
    }
    streams[child]?.process = LackeyProcess(childOf: parent)
  }

  /// Whether nothing more will come of a process that has ended.
  private func isSilent(_ process: UInt64) -> Bool { streams[process].map { !$0.hasLine } ?? true }

  /// Lets another process run that has so many bytes to tell; false if there is none.
  private func schedule(atLeast bytes: Int) -> Bool {
    guard var known = numbers else { return false }
    let place = order.firstIndex(of: running) ?? 0
    for process in order[(place + 1)...] + order[..<place] {
      guard let stream = streams[process], stream.hasLine else { continue }
      if !known.isLiving(process) {
        // Whose child it is, its parent tells when it gets to it.
        guard isAtEnd || stream.count >= Self.patience, !stream.process.hasExited else { continue }
        known.adopt(process)
        numbers = known
      } else if stream.count < bytes {
        continue
      }
      pendingSwitch = Operation(.switchProcess, known.number(process))
      (running, taken) = (process, 0)
      return true
    }
    return false
  }
}
