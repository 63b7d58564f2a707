internal import Paging

/// A TLB that software fills: the architecture has its entries and the instructions that write them, and no page tables
/// (MIPS; Kane & Heinrich, "MIPS RISC Architecture", chapter 6; R4000 User's Manual, chapter 4).
///
/// An entry is found by the page and the address space's identifier, fully associatively, and translates one page or a pair
/// of neighbours; one that is there may be invalid. An entry that no instruction has written matches nothing.
struct SoftwareTLB {
  let geometry: SoftwareTLBGeometry
  /// Page number in units of an entry's pages, then the identifier; ``none`` of an entry that matches nothing.
  private var keys: [UInt64]
  /// By entry and page within: ``TLBData``, 0 if invalid.
  private var data: [UInt64]
  private var random: UInt64
  /// Entries that the Random register never names, from 0 on.
  let wired: Int

  private static var none: UInt64 { .max }
  /// The beginning of the TLB that a kernel believes to have, virtual or not: so it sees the same in both cases.
  static var guestSeed: UInt64 { 0x9e37_79b9_7f4a_7c15 }

  /// `wired`: entries that random replacement leaves alone. `seed` begins the sequence of random indices.
  init(_ geometry: SoftwareTLBGeometry, wired: Int, seed: UInt64) {
    self.geometry = geometry
    self.wired = wired
    random = seed
    keys = Array(repeating: Self.none, count: geometry.entries)
    data = Array(repeating: 0, count: geometry.entries * geometry.pages)
  }

  private func key(_ page: UInt64, _ context: UInt64) -> UInt64 {
    (page / UInt64(geometry.pages)) << 12 | context & TLBEntry.pcidMask
  }

  /// TLBP: the entry for a page, valid or not.
  func probe(_ page: UInt64, context: UInt64) -> Int? {
    let key = key(page, context)
    return keys.firstIndex(of: key)
  }

  /// What the TLB has for a page: nil if no entry matches, 0 if the one that does is invalid.
  func lookUp(_ page: UInt64, context: UInt64) -> UInt64? {
    probe(page, context: context).map { data[$0 * geometry.pages + Int(page % UInt64(geometry.pages))] }
  }

  /// The index that TLBWR writes to. The real register counts down with each instruction, of which a trace may not have
  /// all; this one is a generator (xorshift64, Marsaglia 2003) with a fixed beginning.
  mutating func randomIndex() -> Int {
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return wired + Int(random % UInt64(geometry.entries - wired))
  }

  /// TLBWI and TLBWR. `pages`: an element for each page of the entry. Two entries for one page would be undefined ("TLB
  /// shutdown"), so that there must be no other.
  mutating func write(_ index: Int, _ page: UInt64, context: UInt64, _ pages: [UInt64]) {
    let key = key(page, context)
    precondition(keys.indices.allSatisfy { $0 == index || keys[$0] != key }, "two TLB entries for page \(page)")
    keys[index] = key
    for (offset, word) in pages.enumerated() { data[index * geometry.pages + offset] = word }
  }

  /// The first page and the identifier of an entry, nil if it matches nothing.
  func tag(_ index: Int) -> (page: UInt64, context: UInt64)? {
    let key = keys[index]
    return key == Self.none ? nil : ((key >> 12) * UInt64(geometry.pages), key & TLBEntry.pcidMask)
  }

  /// The pages of an entry.
  func pages(_ index: Int) -> ArraySlice<UInt64> {
    data[index * geometry.pages..<(index + 1) * geometry.pages]
  }

  mutating func remove(_ page: UInt64, context: UInt64) {
    if let index = probe(page, context: context) { clear(index) }
  }

  mutating func clear(_ index: Int) { keys[index] = Self.none }

  mutating func removeAll() { for index in keys.indices { clear(index) } }

  mutating func removeAll(context: UInt64) {
    for index in keys.indices where tag(index)?.context == context & TLBEntry.pcidMask { clear(index) }
  }
}
