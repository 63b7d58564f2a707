internal import Paging

/// What the kernel knows of a page frame (Linux, `struct page`).
struct PageFrame {
  enum Use: UInt8 {
    case free
    /// The kernel's own: the zero page.
    case kernel
    case table
    /// Belongs to one process, or to several that share it until one stores.
    case anonymous
    /// A page of a file, in the page cache.
    case file
    /// None: the balloon driver has given it back.
    case ballooned
  }

  var use = Use.free
  /// Entries that are not 0, of a table.
  var entries = 0
  /// The page of a file that it holds.
  var filePage = FilePage(file: .none, index: 0)
  /// The page of a file has been stored to through an entry that is gone.
  var isDirty = false
  /// Where the frame is mapped, entries without access rights included.
  private(set) var mappings: UInt32 = 0
  private var first = PageUse(space: 0, page: 0)
  private var others: [PageUse] = []

  mutating func insert(_ use: PageUse) {
    if mappings == 0 { first = use } else { others.append(use) }
    mappings += 1
  }

  /// Forgets one mapping, which must be there.
  mutating func remove(_ use: PageUse) {
    if first == use {
      if let last = others.popLast() { first = last }
    } else if let index = others.lastIndex(of: use) {
      others.remove(at: index)
    } else {
      preconditionFailure("page \(use.page) of address space \(use.space) is not mapped to this frame")
    }
    mappings -= 1
  }

  /// The same frame is mapped elsewhere in the same way.
  mutating func replace(_ use: PageUse, with new: PageUse) {
    if first == use {
      first = new
    } else if let index = others.lastIndex(of: use) {
      others[index] = new
    } else {
      preconditionFailure("page \(use.page) of address space \(use.space) is not mapped to this frame")
    }
  }

  var uses: [PageUse] { mappings == 0 ? [] : [first] + others }
}

/// A page of an address space.
struct PageUse: Hashable {
  /// Index of the address space.
  var space: Int
  var page: UInt64
}
