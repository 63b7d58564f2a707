internal import Paging

/// A shell that runs one short program after the other.
struct ForkExec: Pattern {
  static let workload = Workload(
    name: "fork-exec",
    summary: "A shell or a build: address spaces that live for a moment, most of whose pages are touched once.",
    keys: [
      .init("pages", 256, in: 1...(1 << 20), "pages of the shell, all written before"),
      .init("rounds", 100, in: 0...(1 << 30), "programs"),
      .init("touched", 300, in: 1...(1 << 20), "pages that a program writes"),
    ], make: { ForkExec($0) })

  private let pages: UInt64
  private let rounds: UInt64
  private let touched: UInt64
  private var place: UInt64 = 0
  private var round: UInt64 = 0

  init(_ parameters: Parameters) {
    pages = parameters["pages"]
    rounds = parameters["rounds"]
    touched = parameters["touched"]
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    guard round <= rounds else { return false }
    let child = round + 1
    if place == 0 && round == 0 { batch.map(Layout.region(0), pages: pages) }
    if place == 0 && round > 0 {
      batch.fork(1, child)
      batch.run(child)
      batch.append(Operation(.exec, child))
      batch.map(Layout.region(1), pages: touched)
    }
    batch.store(Layout.region(round == 0 ? 0 : 1) + place * Layout.pageSize)
    place += 1
    guard place == (round == 0 ? pages : touched) else { return true }
    if round > 0 {
      batch.append(Operation(.exit, child))
      batch.run(1)
    }
    (place, round) = (0, round + 1)
    return true
  }
}
