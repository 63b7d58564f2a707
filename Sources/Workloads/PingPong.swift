internal import Paging

/// Processes that take turns, each touching its own pages.
struct PingPong: Pattern {
  static let workload = Workload(
    name: "ping-pong",
    summary: "Context switches at short intervals: what a CR3 load costs, and what PCIDs save.",
    keys: [
      .init("processes", 2, in: 1...1024, "processes"),
      .init("pages", 16, in: 1...(1 << 20), "pages that each one loads from in its turn"),
      .init("rounds", 1000, in: 1...(1 << 40), "turns of each"),
    ], make: { PingPong($0) })

  private let processes: UInt64
  private let pages: UInt64
  private let rounds: UInt64
  private var process: UInt64 = 0
  private var round: UInt64 = 0
  private var place: UInt64 = 0

  init(_ parameters: Parameters) {
    processes = parameters["processes"]
    pages = parameters["pages"]
    rounds = parameters["rounds"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    guard round < rounds else { return false }
    if place == 0 {
      batch.run(process + 1)
      if round == 0 { batch.map(Layout.region(0), pages: pages) }
    }
    batch.load(Layout.region(0) + place * Layout.pageSize)
    place += 1
    guard place == pages else { return true }
    (place, process) = (0, process + 1)
    if process == processes { (process, round) = (0, round + 1) }
    return true
  }
}
