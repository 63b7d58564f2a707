internal import Paging

/// Processes in a ring, each of which reads a message from its inbox and writes one to its outbox.
///
/// A process trace has no shared memory: a message is copied by the kernel, as through a pipe, so that each process has
/// buffers of its own.
struct ProducerConsumer: Pattern {
  static let workload = Workload(
    name: "producer-consumer",
    summary: "A pipeline of processes: a switch for each message, and buffers that each one walks through.",
    keys: [
      .init("processes", 4, in: 2...1024, "processes of the pipeline"),
      .init("buffer", 64, in: 1...(1 << 20), "pages of a process's inbox, and of its outbox"),
      .init("message", 4096, in: 64...(1 << 20), "bytes of a message"),
      .init("messages", 10_000, in: 1...(1 << 40), "messages that go through the whole pipeline"),
    ], make: { ProducerConsumer($0) })

  private let processes: UInt64
  private let pages: UInt64
  private let lines: UInt64
  private let messages: UInt64
  private var process: UInt64 = 0
  private var message: UInt64 = 0
  private var line: UInt64 = 0

  init(_ parameters: Parameters) {
    processes = parameters["processes"]
    pages = parameters["buffer"]
    lines = parameters["message"] / 64
    messages = parameters["messages"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    guard message < messages else { return false }
    if line == 0 {
      batch.run(process + 1)
      if message == 0 { for box in 0..<2 as Range<UInt64> { batch.map(Layout.region(box), pages: pages) } }
    }
    let offset = (message * lines + line) * 64 % (pages * Layout.pageSize)
    if process > 0 { batch.load(Layout.region(0) + offset) }
    if process < processes - 1 { batch.store(Layout.region(1) + offset) }
    line += 1
    guard line == lines else { return true }
    (line, process) = (0, process + 1)
    if process == processes { (process, message) = (0, message + 1) }
    return true
  }
}
