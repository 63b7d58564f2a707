internal import Paging

/// Finds earlier operations of a span that the next ones can be copied from.
///
/// Three operations that were alike up to their data's addresses are looked up by a hash; the latest few places are
/// compared, and that one wins which saves the most bits.
struct CopyFinder {
  struct Copy {
    var distance: Int
    var length: Int
  }

  /// Places that are compared.
  private static var depth: Int { 4 }
  /// A copy that is as long as this is good enough.
  private static var goodLength: Int { 128 }
  /// Bits, measured on average: of an access that is no copy; of the beginning of a copy; of a piece without its delta.
  private static var literalCost: Int { 20 }
  private static var startCost: Int { 32 }
  private static var pieceCost: Int { 12 }

  private(set) var window = SpanWindow()
  /// By hash: the latest place that has it; then, by place in the window: the one before of the same hash. -1 is none.
  private var links = [Int32](repeating: -1, count: SpanWindow.hashCount + BinaryLayout.spanWindow)
  /// Places below are in the table.
  private var known = 0

  /// Begins a span.
  mutating func reset() {
    for index in 0..<SpanWindow.hashCount { links[index] = -1 }
    known = 0
    window.reset()
  }

  /// Takes a batch's operations.
  mutating func append(_ batch: OperationBatch) { window.append(batch) }

  /// The best copy for the operations from number `place` on; nil if none pays.
  mutating func find(at place: Int, difference: UInt64) -> Copy? {
    learn(upTo: place)
    guard place + SpanWindow.hashed <= window.count else { return nil }
    var candidate = Int(links[window.hash(at: place)])
    var best = Copy(distance: 0, length: 0)
    var saved = 0
    for _ in 0..<Self.depth where candidate >= 0 && place - candidate <= BinaryLayout.distanceLimit {
      let (length, score) = compare(place, candidate, difference)
      if score > saved { (saved, best) = (score, Copy(distance: place - candidate, length: length)) }
      if best.length >= Self.goodLength { break }
      candidate = Int(links[SpanWindow.hashCount + SpanWindow.index(of: candidate)])
    }
    return saved > 0 ? best : nil
  }

  /// Enters the places before `place` into the table.
  private mutating func learn(upTo place: Int) {
    let end = min(place, window.count - SpanWindow.hashed + 1)
    guard known < end else { return }
    let (window, first) = (window, known)
    known = end
    var links = links.mutableSpan
    for place in first..<end {
      let hash = window.hash(at: place)
      links[SpanWindow.hashCount + SpanWindow.index(of: place)] = links[hash]
      links[hash] = Int32(place)
    }
  }

  /// How many operations from `place` on are best copied from `source` on, and the bits which that saves.
  private func compare(_ place: Int, _ source: Int, _ difference: UInt64) -> (length: Int, saved: Int) {
    var difference = difference
    var saved = -Self.startCost
    var best = (length: 0, saved: 0)
    let operations = window.operations.span
    for index in 0..<(window.count - place) {
      let new = operations[SpanWindow.index(of: place + index)]
      let old = operations[SpanWindow.index(of: source + index)]
      guard new.shape == old.shape, new.isAccess else { break }
      let delta = new.address &- old.address
      if delta != 0 && delta != difference {
        let log = delta.signedLengthLog
        if log > 2 { break }
        saved -= Self.pieceCost + 8 << log
        difference = delta
      }
      saved += Self.literalCost - 1
      if saved > best.saved { best = (index + 1, saved) }
    }
    return best
  }
}
