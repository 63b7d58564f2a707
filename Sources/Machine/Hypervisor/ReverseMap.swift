internal import Paging

/// For each physical page, the entries of the hypervisor's (or a port's) tables that map it as a 4 KiB page.
///
/// What a write trace needs: whoever makes a page read-only must find every mapping of it.
struct ReverseMap {
  private var places: [PPN: [MachineAddress]] = [:]

  mutating func insert(_ place: MachineAddress, of page: PPN) { places[page, default: []].append(place) }

  /// Forgets one mapping, which must have been inserted.
  mutating func remove(_ place: MachineAddress, of page: PPN) {
    guard let index = places[page]?.lastIndex(of: place), let latest = places[page]?.popLast() else {
      preconditionFailure("no mapping of physical page \(page.raw) at \(place.hexadecimal)")
    }
    if latest != place { places[page]?[index] = latest }
  }

  /// Forgets one mapping, if it has been inserted.
  mutating func removeIfPresent(_ place: MachineAddress, of page: PPN) {
    if places[page]?.contains(place) == true { remove(place, of: page) }
  }

  /// The entries that map a page.
  func mappings(of page: PPN) -> [MachineAddress] { places[page] ?? [] }
}
