internal import Paging

/// How a nested table divides the number of a physical page: into so many levels of so many bits each.
///
/// Four and five levels of 9 bits are the architecture's. Two levels of 18 bits are the flattened tables of the literature
/// (Park et al., ASPLOS 2022): each is two of the architecture's levels in one, a table of 2 MiB. One level is flat: an array of all
/// pages of RAM, with a limit.
struct NestedShape {
  let levels: Int
  /// Bits of a page number that index one table.
  let bits: UInt64

  /// Bits of a page number altogether: 48 or 57 bits of address, flat as many as RAM has.
  var pageBits: UInt64 { bits * UInt64(levels) }
  /// 4 KiB frames of one table.
  var tableFrames: UInt64 { 1 << (bits - 9) }

  /// `levels`: 1, 2, 4 or 5.
  init(levels: Int, ramPages: UInt64) {
    self.levels = levels
    let flat = max(UInt64(64 - (ramPages - 1).leadingZeroBitCount), 9)
    bits = levels == 1 ? flat : levels == 2 ? 18 : 9
  }

  /// The level as the architecture counts, by the size that one entry covers: a flattened table's upper level is 3.
  @inline(__always) func architecturalLevel(_ level: Int) -> Int { levels == 2 ? 2 * level - 1 : level }

  /// The level whose entries map a page of this size; nil if there is none.
  func level(of size: PageSize) -> Int? {
    (1...levels).first { architecturalLevel($0) == size.level }
  }

  @inline(__always) func place(_ page: PPN, in table: MPN, level: Int) -> MachineAddress {
    let index = page.raw &>> (bits &* UInt64(level - 1)) & (1 &<< bits - 1)
    return MachineAddress(table.address.raw + index << 3)
  }
}
