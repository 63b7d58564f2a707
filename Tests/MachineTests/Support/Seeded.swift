import Foundation
import XCTest

/// The generator of all random tests: Steele, Lea and Flood's SplitMix64.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  /// True once in `denominator` times.
  mutating func oneIn(_ denominator: Int) -> Bool { below(denominator) == 0 }
  mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }
}

/// The seeds of a random test: `MEMLAB_SEED` alone if it is set, else `count` from a fixed start (or `MEMLAB_SEEDS`
/// many).
func seeds(_ count: Int) -> [UInt64] {
  let environment = ProcessInfo.processInfo.environment
  if let seed = environment["MEMLAB_SEED"].flatMap(UInt64.init) { return [seed] }
  let first = environment["MEMLAB_FIRST_SEED"].flatMap(UInt64.init) ?? 1
  let count = environment["MEMLAB_SEEDS"].flatMap(UInt64.init) ?? UInt64(count)
  return (0..<count).map { first + $0 }
}

/// Takes ever smaller pieces out of a failing list while what remains still fails, starting with halves.
func shrink<Step>(_ steps: [Step], fails: ([Step]) -> Bool) -> [Step] {
  var steps = steps
  var size = max(1, steps.count / 2)
  while true {
    var start = 0
    var hasShrunk = false
    while start < steps.count {
      var candidate = steps
      candidate.removeSubrange(start..<min(start + size, steps.count))
      if fails(candidate) {
        steps = candidate
        hasShrunk = true
      } else {
        start += size
      }
    }
    if size == 1 && !hasShrunk { return steps }
    if size > 1 { size /= 2 }
  }
}
