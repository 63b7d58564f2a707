internal import Paging

/// For each physical page, the entries of the hypervisor's (or a port's) tables that map it as a 4 KiB page.
///
/// What a write trace needs: whoever makes a page read-only must find every mapping of it. Most pages have one, so the
/// first of each stands in an array by page, and only what comes beside it in lists.
struct ReverseMap: ~Copyable {
  /// The first mapping of a page, with bit 0 set; 0: it has none.
  private var first = PageMap<UInt64>()
  /// The others, of pages that have any.
  private var others: [PPN: [MachineAddress]] = [:]

  mutating func insert(_ place: MachineAddress, of page: PPN) {
    if first[page.raw] ?? 0 == 0 {
      first.set(page.raw, place.raw | 1)
    } else {
      others[page, default: []].append(place)
    }
  }

  /// Forgets one mapping, which must have been inserted.
  mutating func remove(_ place: MachineAddress, of page: PPN) {
    let isKnown = removeIfPresent(place, of: page)
    precondition(isKnown, "no mapping of physical page \(page.raw) at \(place.hexadecimal)")
  }

  /// Forgets one mapping, if it has been inserted; the latest of the page takes its place. Returns whether it had been.
  @discardableResult
  mutating func removeIfPresent(_ place: MachineAddress, of page: PPN) -> Bool {
    if !others.isEmpty, let index = others[page]?.lastIndex(of: place) {
      let latest = popOther(of: page)
      if let latest, index < others[page]?.count ?? 0 { others[page]?[index] = latest }
      return true
    }
    guard first[page.raw] == place.raw | 1 else { return false }
    first.set(page.raw, others.isEmpty ? 0 : popOther(of: page).map { $0.raw | 1 } ?? 0)
    return true
  }

  private mutating func popOther(of page: PPN) -> MachineAddress? {
    let latest = others[page]?.popLast()
    if others[page]?.isEmpty == true { others[page] = nil }
    return latest
  }

  /// The entries that map a page.
  func mappings(of page: PPN) -> [MachineAddress] {
    guard let word = first[page.raw], word != 0 else { return [] }
    return [MachineAddress(word & ~1)] + (others.isEmpty ? [] : others[page] ?? [])
  }
}
