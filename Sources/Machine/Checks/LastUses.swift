internal import Paging

/// When each physical page is used for the last time, as a pass over a trace on a bare machine shows it.
struct LastUses {
  /// One more than the number of the operation; 0: none. The largest number: the page is a table at some time, which
  /// walks use unseen.
  private(set) var operations: [UInt64] = []

  mutating func note(_ page: PPN, at operation: UInt64) {
    extend(to: page)
    if operations[Int(page.raw)] < .max { operations[Int(page.raw)] = operation + 1 }
  }

  /// A page must stay.
  mutating func keep(_ page: PPN) {
    extend(to: page)
    operations[Int(page.raw)] = .max
  }

  private mutating func extend(to page: PPN) {
    while operations.count <= Int(page.raw) { operations.append(0) }
  }
}
