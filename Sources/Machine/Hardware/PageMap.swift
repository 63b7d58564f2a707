internal import Glibc

/// A sparse array indexed by page number (40 bits); elements start as zero bytes and cost memory once their
/// neighbourhood is written.
///
/// Two levels, as a page table has them: a directory by GiB and, for each GiB in use, one element a page. Both come from
/// `calloc`, whose pages the kernel supplies on first touch, so a directory of 32 MiB costs what is used of it.
@safe struct PageMap<Element: BitwiseCopyable>: ~Copyable {
  private let directory: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>
  /// The directory entries in use, in order of first use.
  private var regions: [Int] = []

  private static var pagesPerRegion: Int { 1 << 18 }
  private static var regionCount: Int { 1 << 22 }

  init() {
    // SAFETY: zeroed storage; nil is all zero bits.
    unsafe directory = zeroed(Self.regionCount)
  }

  deinit {
    // SAFETY: every region was made by `makeRegion` and is freed once.
    for region in regions { unsafe free(directory[region]) }
    unsafe free(directory)
  }

  /// The element of a page. Page numbers beyond 40 bits wrap.
  subscript(page: UInt64) -> Element? {
    @inline(__always) get {
      // SAFETY: both indices are masked to their table's size.
      guard let region = unsafe directory[Int(page >> 18 & 0x3f_ffff)] else { return nil }
      return unsafe region[Int(page & 0x3ffff)]
    }
  }

  /// Sets the element of a page.
  @inline(__always) mutating func set(_ page: UInt64, _ element: Element) {
    let index = Int(page >> 18 & 0x3f_ffff)
    // SAFETY: both indices are masked to their table's size.
    if unsafe directory[index] == nil { makeRegion(index) }
    unsafe directory[index]?[Int(page & 0x3ffff)] = element
  }

  @inline(never) private mutating func makeRegion(_ index: Int) {
    unsafe directory[index] = zeroed(Self.pagesPerRegion)
    regions.append(index)
  }
}

/// Zeroed storage for `count` elements; ends the program if there is none, as Swift's own allocation does.
func zeroed<Element>(_ count: Int) -> UnsafeMutablePointer<Element> {
  guard let raw = unsafe calloc(count, MemoryLayout<Element>.stride) else { fatalError("out of memory") }
  return unsafe raw.assumingMemoryBound(to: Element.self)
}
