extension Settings {
  /// Every key there is, in the order in which they are listed.
  public static let keys: [Key] =
    generalKeys + nestedKeys + dirtyLogKeys + monitorKeys + guestKeys + softwareTLBKeys + directKeys + deviceKeys

  private static let generalKeys: [Key] = [
    .word("guest.ac", ["1", "0"], "EFLAGS.AC as the guest's kernel sees it; 0 lets SMAP refuse") {
      $0.guestAlignmentCheck = $1 == 0
    },
    .word(
      "tlb.spurious", ["off", "on"],
      "a TLB entry with too few rights faults at once instead of being walked again (for scenarios)"
    ) { $0.hasSpuriousFaults = $1 == 1 },
    .word(
      "emulated-tlb.globals", ["drop", "keep"],
      "what a CR3 load does to leaves of global pages in the emulated TLB"
    ) { $0.emulatedTLBKeepsGlobals = $1 == 1 },
    .word(
      "nested.fill", ["lazy", "eager"], "the nested table is filled on violations, or complete from the start"
    ) { $0.isNestedTableEager = $1 == 1 },
    .word(
      "shadow.store", ["invalidate", "update", "unsync"],
      "a store to a shadowed table drops the shadow entry, replaces it, or lets a level-1 table go out of step"
    ) { $0.shadow.onStore = ShadowSettings.OnStore.allCases[$1] },
    .number("shadow.prefetch", 0, in: 0...32, "shadow entries made ahead around each that a fault demands") {
      $0.shadow.prefetch = $1
    },
    .number("shadow.pages", 0, in: 0...1_000_000, "shadow pages that are kept at most; 0: as many as it takes") {
      $0.shadow.capacity = $1
    },
    .word("shadow.evict", ["oldest", "lru"], "which shadow page goes when there is no room") {
      $0.shadow.evictsLeastRecentlyUsed = $1 == 1
    },
    .word(
      "shadow.unshadow", ["off", "user", "misaligned", "zeros", "flood", "all"],
      "what kind of stores show that a page is no longer a table"
    ) { $0.shadow.unshadowing = ShadowSettings.Unshadowing.choices[$1] },
    .number("shadow.zeros", 2, in: 1...512, "stores of 0 in a row that `zeros` takes for the end of a table") {
      $0.shadow.zeroRun = $1
    },
    .number("shadow.flood", 3, in: 1...512, "stores to an upper table between two walks that `flood` bears") {
      $0.shadow.flood = $1
    },
    .word(
      "shadow.large", ["splinter", "keep"],
      "a large page of the guest's comes in 4 KiB parts, or whole where no page inside is traced"
    ) { $0.shadow.keepsLarge = $1 == 1 },
    .word(
      "shadow.wp", ["emulate", "flip"],
      "emulated-tlb, shadow: a store that only CR0.WP = 0 allows is emulated, or makes the entry writable supervisor's"
    ) { $0.shadow.turnsEntries = $1 == 1 },
    .word(
      "trace.when", ["start", "marks"],
      "the traces of device, ROM, copy-on-write and frame buffer hold from the start, or between two marks of the trace"
    ) { $0.traces.beginAtMark = $1 == 1 },
    .range("trace.device", "physical memory of which a device model sees every access") { $0.traces.device = $1 },
    .range("trace.rom", "physical memory to which stores are dropped") { $0.traces.readOnlyMemory = $1 },
    .range("trace.cow", "physical pages that are shared until their first store") { $0.traces.copyOnWrite = $1 },
    .range("trace.frame-buffer", "physical memory whose rows are noted when they are stored to") {
      $0.traces.frameBuffer = $1
    },
    .number("trace.frame-buffer-row", 4096, in: 16...65536, "bytes of a row of the frame buffer") {
      $0.traces.frameBufferRow = $1
    },
  ]
}

extension Settings.Key {
  /// A key that takes one of some words, the default first; `set` takes the word's index.
  static func word(
    _ name: String, _ words: [String], _ summary: String,
    _ set: @escaping @Sendable (inout Settings, Int) -> Void
  ) -> Settings.Key {
    Settings.Key(name: name, values: words, summary: summary, expectation: words.joined(separator: " or ")) {
      guard let index = words.firstIndex(of: $1) else { return false }
      set(&$0, index)
      return true
    }
  }

  /// A key that takes a number in a range.
  static func number(
    _ name: String, _ standard: Int, in range: ClosedRange<Int>, _ summary: String,
    _ set: @escaping @Sendable (inout Settings, Int) -> Void
  ) -> Settings.Key {
    Settings.Key(
      name: name, values: [String(standard), "\(range.lowerBound)…\(range.upperBound)"], summary: summary,
      expectation: "a number from \(range.lowerBound) to \(range.upperBound)"
    ) {
      guard let number = Int($1), range.contains(number) else { return false }
      set(&$0, number)
      return true
    }
  }

  /// A key that takes a range of physical memory, or `none`.
  static func range(
    _ name: String, _ summary: String, _ set: @escaping @Sendable (inout Settings, PhysicalRange?) -> Void
  ) -> Settings.Key {
    Settings.Key(
      name: name, values: ["none", "START+LENGTH"], summary: summary,
      expectation: "none, or START+LENGTH in hexadecimal bytes, at most 4 GiB"
    ) {
      let range = PhysicalRange($1)
      guard range != nil || $1 == "none" else { return false }
      set(&$0, range)
      return true
    }
  }
}
