internal import Paging

/// A domain's level-1 entries, of the same right, that lead to a frame of another's.
struct ForeignUse: Hashable {
  var domain: DomainID
  var frame: MPN
  var writes: Bool
}

extension Xen {
  /// Whether a domain has a frame of another's mapped for its processors, to read or also to write.
  func hasGrant(of frame: MPN, to domain: DomainID, writes: Bool) -> Bool {
    guard let table = grantTables[domain] else { return false }
    return table.mappings.values.contains { mapping in
      mapping.flags.contains(.host) && (!writes || !mapping.flags.contains(.readOnly))
        && grantTables[mapping.granter]?.active[mapping.reference]?.frame == frame
    }
  }

  /// Every entry that leads to another's frame must be a mapping that somebody has counted, and each entry in use have as
  /// many uses as there are mappings. A mapping without its entry is allowed: the domain has overwritten that.
  borrowing func violatedGrant(_ foreign: [ForeignUse: Int]) -> String? {
    var counted: [ForeignUse: Int] = [:]
    for granter in grantTables.keys.sorted(by: { $0.raw < $1.raw }) {
      for (reference, active) in grantTables[granter]?.active ?? [:] {
        let uses = uses(of: reference, granter)
        if uses.contains(where: { $0.domain != active.domain }) { return "a grant in use by another than it is for" }
        var sum = ActiveGrant(domain: active.domain, frame: active.frame)
        for use in uses { sum.count(use.flags, 1) }
        if [sum.hostReads, sum.hostWrites, sum.deviceReads, sum.deviceWrites]
          != [active.hostReads, active.hostWrites, active.deviceReads, active.deviceWrites]
        {
          return "grant \(reference) of domain \(granter.raw) is in use as \(active), mapped as \(sum)"
        }
        counted[ForeignUse(domain: active.domain, frame: active.frame, writes: false), default: 0] += active.hostReads
        counted[ForeignUse(domain: active.domain, frame: active.frame, writes: true), default: 0] += active.hostWrites
      }
    }
    for (use, entries) in foreign where entries > counted[use, default: 0] {
      return "domain \(use.domain.raw) maps the frame \(String(use.frame.raw, radix: 16)) of another, "
        + "\(entries) times, by \(counted[use, default: 0]) grants"
    }
    return nil
  }

  private borrowing func uses(of reference: Int, _ granter: DomainID) -> [(domain: DomainID, flags: GrantMapFlags)] {
    var uses: [(domain: DomainID, flags: GrantMapFlags)] = []
    for domain in grantTables.keys {
      for mapping in (grantTables[domain]?.mappings ?? [:]).values
      where mapping.granter == granter && mapping.reference == reference {
        uses.append((domain: domain, flags: mapping.flags))
      }
    }
    return uses
  }
}
