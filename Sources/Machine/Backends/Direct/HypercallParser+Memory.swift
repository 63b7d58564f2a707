internal import Paging

/// The text form of `memory_op`.
extension HypercallParser {
  func memory(_ words: [String]) throws(Problem) -> Hypercall {
    var options: [String: Int] = [:]
    var plain: [String] = []
    for word in words.dropFirst() {
      let pair = word.split(separator: "=").map(String.init)
      if pair.count == 2, ["order", "in", "out", "exchanged"].contains(pair[0]) {
        options[pair[0]] = try number(pair[1])
      } else {
        plain.append(word)
      }
    }
    let order = options["order"] ?? 0
    switch words.first {
    case "increase_reservation":
      guard plain.count == 1, try number(plain[0]) <= 1 << 20 else { throw Problem(expected: "COUNT, at most 1048576") }
      return .memory(.increase(count: try number(plain[0]), order: order))
    case "decrease_reservation": return .memory(.decrease(try frames(plain), order: order))
    case "populate_physmap": return .memory(.populate(try pages(plain), order: order))
    case "exchange":
      let halves = plain.split(separator: "to", omittingEmptySubsequences: false)
      guard halves.count == 2 else { throw Problem(expected: "FRAME … to ADDRESS …") }
      var exchange = Hypercall.Exchange(input: try frames(Array(halves[0])), output: try pages(Array(halves[1])))
      exchange.inputOrder = options["in"] ?? 0
      exchange.outputOrder = options["out"] ?? 0
      exchange.exchanged = UInt64(options["exchanged"] ?? 0)
      return .memory(.exchange(exchange))
    case "current_reservation": return .memory(.currentReservation)
    case "maximum_reservation": return .memory(.maximumReservation)
    default: return .unknown
    }
  }

  private func frames(_ words: [String]) throws(Problem) -> [MPN] {
    var frames: [MPN] = []
    for word in words { frames.append(MPN(try value(word) >> 12)) }
    return frames
  }

  func pages(_ words: [String]) throws(Problem) -> [PPN] {
    var pages: [PPN] = []
    for word in words { pages.append(PPN(try hexadecimal(word) >> 12)) }
    return pages
  }
}
