internal import Machine

extension Reproduction {
  static let pageWalkCaches = Reproduction(
    "page-walk-caches",
    claim: "A page-walk cache of 24 entries and a nested TLB of 16 leave between 4 and 5 of 24 references.",
    source: "Bhargava et al., ASPLOS 2008, figure 8 (MiscServer) and table 1",
    setup: "uniform-random of 64 MiB and 1 GiB on bhargava2008, nested table complete, nested TLB for tables",
    remark: "Published for programs, run with uniform random loads: the figures must be near, not equal.",
    targets: [
      Target("no cache", "references", "21.0", in: 20...24),
      Target("1D: guest entries cached", "references", "19.4", in: 18...22),
      Target("2D and nested TLB, 64 MiB", "references", "4.53", in: 4...5.5),
      Target("2D and nested TLB, 1 GiB", "references", "4.53", in: 4...5.5),
      Target("none > 1D > 2D > 2D and nested TLB", "(1: yes)", "yes", in: 1...1),
      Target("nested over native walk, uncached, 1 GiB", "x", "3.90 to 4.57", in: 3.4...4.6),
    ]
  ) { laboratory in
    let none = try references(64, ["walk.cache=none"], laboratory)
    let one = try references(64, ["walk.cache=guest"], laboratory)
    let two = try references(64, ["nestedCaches.tlb.4K.entries=0"], laboratory)
    let all = try references(64, [], laboratory)
    let bare = ["nestedCaches.tlb.4K.entries=0", "pageWalkCache.entries=0"]
    let large = Laboratory.Load.uniform(1024, 200_000)
    let nested = try laboratory.run(large, .nested, on: "bhargava2008", base + bare).cyclesAWalk
    let native = try laboratory.run(large, .native, on: "bhargava2008", [bare[1]]).cyclesAWalk
    return [
      none, one, all, try references(1024, [], laboratory), holds(none > one && one > two && two > all),
      nested / native,
    ]
  }

  /// References a nested walk, by random loads over so much memory.
  private static func references(
    _ mebibytes: UInt64, _ more: [String], _ laboratory: Laboratory
  ) throws -> Double {
    try laboratory.run(.uniform(mebibytes, 200_000), .nested, on: "bhargava2008", base + more).referencesAWalk
  }

  private static let base = ["nested.fill=eager", "nested.tlb=tables"]
}
