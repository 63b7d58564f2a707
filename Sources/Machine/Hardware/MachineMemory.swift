internal import Glibc
internal import Paging

/// The simulated RAM, as 8-byte words: sparse, zero until written. Only what holds page tables is ever written, since a
/// trace carries no other contents.
@safe struct MachineMemory: ~Copyable {
  private var pages = unsafe PageMap<UnsafeMutablePointer<UInt64>?>()
  /// Storage of 256 pages each, handed out in order.
  private var slabs: [UnsafeMutablePointer<UInt64>] = unsafe []
  private var used = MachineMemory.pagesPerSlab

  /// Pages in which ``set(_:at:)`` has set bits, if somebody observes.
  private(set) var written: Set<MPN> = []
  private var isObserved = false

  private static var pagesPerSlab: Int { 256 }

  deinit {
    // SAFETY: each slab was made by `makePage` and is freed once.
    for index in unsafe slabs.indices { unsafe free(slabs[index]) }
  }

  /// The 8-byte word at an address, whose low three bits are ignored.
  @inline(__always) func read(_ address: MachineAddress) -> UInt64 {
    // SAFETY: a page in the map has 512 words; the index is masked to 9 bits.
    guard let entry = unsafe pages[address.page.raw], let page = unsafe entry else { return 0 }
    return unsafe page[Int(address.raw >> 3 & 511)]
  }

  /// The 4-byte word at an address, whose low two bits are ignored.
  func readNarrow(_ address: MachineAddress) -> UInt64 {
    read(address) >> Self.shift(of: address) & 0xffff_ffff
  }

  /// Replaces the 4-byte word at an address.
  mutating func writeNarrow(_ address: MachineAddress, _ value: UInt64) {
    let shift = Self.shift(of: address)
    write(address, read(address) & ~(0xffff_ffff << shift) | (value & 0xffff_ffff) << shift)
  }

  /// Where in its 8-byte word the 4-byte word at an address lies.
  @inline(__always) private static func shift(of address: MachineAddress) -> UInt64 { (address.raw & 4) << 3 }

  /// Whether a word of a page was ever written; if not, all are 0.
  func isTouched(_ page: MPN) -> Bool {
    // SAFETY: only compared.
    guard let entry = unsafe pages[page.raw] else { return false }
    return unsafe entry != nil
  }

  /// Replaces the 8-byte word at an address.
  @inline(__always) mutating func write(_ address: MachineAddress, _ value: UInt64) {
    // SAFETY: as in `read`.
    let page = unsafe existingPage(address.page) ?? makePage(address.page)
    unsafe page[Int(address.raw >> 3 & 511)] = value
  }

  /// Sets bits in the word, of 4 bytes or of 8, at an address.
  @inline(__always) mutating func set(_ bits: UInt64, at address: MachineAddress) {
    write(address, read(address) | bits << Self.shift(of: address))
    if isObserved { written.insert(address.page) }
  }

  /// Forgets which pages were written, and goes on to observe them.
  mutating func forgetWritten(observes: Bool = true) {
    written.removeAll(keepingCapacity: true)
    isObserved = observes
  }

  /// Makes all words of a page zero.
  mutating func clear(_ page: MPN) {
    // SAFETY: a page has 512 words.
    guard let words = unsafe existingPage(page) else { return }
    unsafe words.update(repeating: 0, count: 512)
  }

  private func existingPage(_ page: MPN) -> UnsafeMutablePointer<UInt64>? {
    guard let entry = unsafe pages[page.raw] else { return nil }
    return unsafe entry
  }

  @inline(never) private mutating func makePage(_ page: MPN) -> UnsafeMutablePointer<UInt64> {
    if used == Self.pagesPerSlab {
      unsafe slabs.append(zeroed(Self.pagesPerSlab * 512))
      used = 0
    }
    // SAFETY: `used` is below the slab's number of pages.
    let words = unsafe slabs[slabs.count - 1] + used * 512
    used += 1
    unsafe pages.set(page.raw, words)
    return unsafe words
  }
}
