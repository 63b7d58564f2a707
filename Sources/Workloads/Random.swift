/// David Blackman's and Sebastiano Vigna's xoshiro256** 1.0 (ACM TOMS 47(4), 2021), its state filled by SplitMix64, as
/// its authors advise: the same seed gives the same numbers on every machine.
struct Random {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  init(state: (UInt64, UInt64, UInt64, UInt64)) { self.state = state }

  init(seed: UInt64) {
    var seed = seed
    func mixed(_ seed: inout UInt64) -> UInt64 {
      seed &+= 0x9e37_79b9_7f4a_7c15
      var word = seed
      word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
      word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
      return word ^ (word >> 31)
    }
    state = (mixed(&seed), mixed(&seed), mixed(&seed), mixed(&seed))
  }

  mutating func next() -> UInt64 {
    let product = state.1 &* 5
    let result = (product << 7 | product >> 57) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = state.3 << 45 | state.3 >> 19
    return result
  }

  /// A number below `bound`, which is not 0, each equally likely (Daniel Lemire, ACM TOMACS 29(1), 2019).
  mutating func below(_ bound: UInt64) -> UInt64 {
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let rest = (0 &- bound) % bound
      while product.low < rest { product = next().multipliedFullWidth(by: bound) }
    }
    return product.high
  }
}
