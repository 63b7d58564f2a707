internal import Glibc
internal import Paging

/// Loads of pages of which the k-th most popular has probability proportional to 1 / k^s.
struct Zipf: Pattern {
  static let workload = Workload(
    name: "zipf",
    summary: "Popularity as of keys in a cache or a web shop: few hot pages, a long tail that never fits a TLB.",
    keys: [
      .init("pages", 16_384, in: 1...(1 << 22), "pages of the region; page k is the k-th most popular"),
      .init("exponent", 99, in: 0...400, "the exponent s, in hundredths"),
      .init("accesses", 10_000_000, in: 1...(1 << 50), "loads"),
    ], make: { Zipf($0) })

  /// Element k: 2^64 times the probability of the pages up to k; the last one is all there is.
  private let cumulative: [UInt64]
  private let accesses: UInt64
  private var done: UInt64 = 0
  private var random: Random

  init(_ parameters: Parameters) {
    cumulative = Self.cumulative(pages: Int(parameters["pages"]), exponent: Double(parameters["exponent"]) / 100)
    accesses = parameters["accesses"]
    random = parameters.random
  }

  private static func cumulative(pages: Int, exponent: Double) -> [UInt64] {
    var sums: [Double] = []
    var sum = 0.0
    for rank in 1...pages {
      sum += pow(Double(rank), -exponent)
      sums.append(sum)
    }
    // 2^53 steps, which a Double counts exactly, then shifted up.
    return sums.map { UInt64($0 / sum * 0x1p53) << 11 }
  }

  mutating func step(_ batch: inout OperationBatch) -> Bool {
    if done == 0 { batch.map(Layout.region(0), pages: UInt64(cumulative.count)) }
    guard done < accesses else { return false }
    batch.load(Layout.region(0) + page(random.next()) * Layout.pageSize + random.below(512) * 8)
    done += 1
    return true
  }

  /// The first page whose cumulative probability is above the number.
  private func page(_ number: UInt64) -> UInt64 {
    var (low, high) = (0, cumulative.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] > number { high = middle } else { low = middle + 1 }
    }
    return UInt64(low)
  }
}
