internal import Paging

/// The moments of an access at which a memory trace calls its client.
struct TraceMoments: OptionSet, Hashable {
  let rawValue: UInt8
  static var beforeRead: TraceMoments { TraceMoments(rawValue: 1) }
  static var beforeWrite: TraceMoments { TraceMoments(rawValue: 2) }
  static var afterWrite: TraceMoments { TraceMoments(rawValue: 4) }
  static var all: TraceMoments { [.beforeRead, .beforeWrite, .afterWrite] }
}

/// Who watches pages, in the order in which those who watch one page are called at a moment: first who acts instead of
/// memory, then who changes the page, then who only notes; the shadow tables last, because they may end their watch.
enum TraceClient: UInt8, CaseIterable {
  /// A device model that sees every access.
  case device
  /// Drops stores.
  case readOnlyMemory
  /// Gives a page its own frame before the first store to it, and then watches it no longer.
  case copyOnWrite
  /// Notes which rows have changed.
  case frameBuffer
  /// Logs which pages are stored to; after the first store of a round it watches the page no longer.
  case dirtyLog
  /// Has translated the kernel's code on the page.
  case translations
  /// The backend's: keeps its tables as the guest's are.
  case shadowTables
}

/// What the entries that map a page must withhold so that its watchers see what they want to see.
enum PageProtection: UInt8, Comparable {
  case none
  /// Stores fault.
  case readOnly
  /// Everything faults.
  case notPresent

  static func < (a: PageProtection, b: PageProtection) -> Bool { a.rawValue < b.rawValue }
}

/// The hypervisor's memory traces: who watches which physical page, by whatever virtual address it is reached.
///
/// The books only. A backend that maps pages asks for the ``protection(of:)`` of each; when `watch` and `unwatch` change
/// it, the mappings there are have to follow.
struct MemoryTraces: ~Copyable {
  /// For each page, the moments of each client: three bits a client, the first client's lowest.
  private var moments = PageMap<UInt32>()
  /// Pages that somebody watches, and how many they are of each 2 MiB and of each 1 GiB.
  private(set) var pages = 0
  private var pagesOfLarge: [UInt64: Int] = [:]
  private var pagesOfHuge: [UInt64: Int] = [:]
  private(set) var pagesPeak = 0
  /// Stores to all pages below this are watched for the dirty log, but for those released, which are counted for each
  /// 2 MiB and each 1 GiB.
  private var loggedPages: UInt64 = 0
  private var released = PageMap<UInt8>()
  private var releasedOfLarge: [UInt64: UInt64] = [:]
  private var releasedOfHuge: [UInt64: UInt64] = [:]
  /// Every call made, if somebody wants to know (tests).
  var journal: [Call]?
  /// Pages that somebody has come to watch, as long as devices may store to pages past all watchers.
  private var newlyWatched: Set<PPN>?

  /// One client was called.
  struct Call: Hashable {
    var client: TraceClient
    var moment: TraceMoments
    var address: PhysicalAddress
  }

  private static var reads: UInt32 { 0o1111111 }
  private static var writes: UInt32 { 0o6666666 }

  /// What the mappings of a page must withhold at present.
  @inline(__always) func protection(of page: PPN) -> PageProtection {
    let protection = protectionBesideLog(of: page)
    return protection == .none && isLogged(page) ? .readOnly : protection
  }

  /// The same if the dirty log did not watch.
  @inline(__always) func protectionBesideLog(of page: PPN) -> PageProtection {
    let word = moments[page.raw] ?? 0
    if word == 0 { return .none }
    return word & Self.reads != 0 ? .notPresent : .readOnly
  }

  /// Whether stores to a page are seen.
  func seesStores(to page: PPN) -> Bool { protection(of: page) != .none }

  /// The moments at which a client watches a page.
  func moments(of client: TraceClient, _ page: PPN) -> TraceMoments {
    TraceMoments(rawValue: UInt8((moments[page.raw] ?? 0) >> (3 * UInt32(client.rawValue)) & 7))
  }

  /// Devices may store to pages that nobody watches: whoever lets them wants to know of others.
  mutating func noteWatched() { newlyWatched = [] }

  func isNewlyWatched(_ page: PPN) -> Bool { newlyWatched?.contains(page) ?? false }

  /// The pages since the last time, in order.
  mutating func takeWatched() -> [PPN] {
    guard let pages = newlyWatched, !pages.isEmpty else { return [] }
    newlyWatched = []
    return pages.sorted { $0.raw < $1.raw }
  }

  /// Lets a client watch a page at these moments, beside those at which it does already. Returns the protection before.
  @discardableResult
  mutating func watch(_ page: PPN, _ wanted: TraceMoments, for client: TraceClient) -> PageProtection {
    let old = protection(of: page)
    let word = moments[page.raw] ?? 0
    moments.set(page.raw, word | UInt32(wanted.rawValue) << (3 * UInt32(client.rawValue)))
    if word == 0 && !wanted.isEmpty { book(page, 1) }
    if newlyWatched != nil { newlyWatched?.insert(page) }
    pagesPeak = max(pagesPeak, pages)
    return old
  }

  /// Ends all traces of a client on a page. Returns the protection before.
  @discardableResult
  mutating func unwatch(_ page: PPN, for client: TraceClient) -> PageProtection {
    let old = protection(of: page)
    let word = moments[page.raw] ?? 0
    let rest = word & ~(7 << (3 * UInt32(client.rawValue)))
    moments.set(page.raw, rest)
    if word != 0 && rest == 0 { book(page, -1) }
    return old
  }

  private mutating func book(_ page: PPN, _ change: Int) {
    pages += change
    pagesOfLarge[page.raw >> 9, default: 0] += change
    pagesOfHuge[page.raw >> 18, default: 0] += change
  }

  /// Whether somebody watches a page of those that make a page of a size.
  func seesAny(in first: PPN, _ size: PageSize) -> Bool {
    if logsAny(in: first, size) { return true }
    return switch size {
    case .small: moments[first.raw] ?? 0 != 0
    case .large: pagesOfLarge[first.raw >> 9] ?? 0 > 0
    case .huge: pagesOfHuge[first.raw >> 18] ?? 0 > 0
    }
  }

  // MARK: The dirty log, which watches all pages but a few

  /// Lets the dirty log watch the stores to all pages below a number, and to no others.
  mutating func log(below count: UInt64) {
    loggedPages = count
    released = PageMap()
    releasedOfLarge = [:]
    releasedOfHuge = [:]
  }

  /// Whether the dirty log watches the stores to a page.
  @inline(__always) func isLogged(_ page: PPN) -> Bool { page.raw < loggedPages && released[page.raw] ?? 0 == 0 }

  /// Ends the dirty log's watch on a page, for which it must have one.
  mutating func release(_ page: PPN) {
    released.set(page.raw, 1)
    releasedOfLarge[page.raw >> 9, default: 0] += 1
    releasedOfHuge[page.raw >> 18, default: 0] += 1
  }

  /// Lets the dirty log watch a page again that was released.
  mutating func logAgain(_ page: PPN) {
    released.set(page.raw, 0)
    releasedOfLarge[page.raw >> 9, default: 0] -= 1
    releasedOfHuge[page.raw >> 18, default: 0] -= 1
  }

  private func logsAny(in first: PPN, _ size: PageSize) -> Bool {
    guard first.raw < loggedPages else { return false }
    let pages = min(size.pages, loggedPages - first.raw)
    return switch size {
    case .small: isLogged(first)
    case .large: releasedOfLarge[first.raw >> 9] ?? 0 < pages
    case .huge: releasedOfHuge[first.raw >> 18] ?? 0 < pages
    }
  }

  /// Those who watch a page at any of these moments, in the order of calls.
  func watchers(of page: PPN, _ wanted: TraceMoments) -> [TraceClient] {
    var word = moments[page.raw] ?? 0
    if isLogged(page) {
      word |= UInt32(TraceMoments.beforeWrite.rawValue) << (3 * UInt32(TraceClient.dirtyLog.rawValue))
    }
    if word == 0 { return [] }
    return TraceClient.allCases.filter { UInt8(word >> (3 * UInt32($0.rawValue)) & 7) & wanted.rawValue != 0 }
  }
}
