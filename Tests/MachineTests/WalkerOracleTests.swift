import Paging
import XCTest

@testable import Machine

/// Every mode against a page walk written from SDM 3A 4.5 to 4.8 alone: an enumeration of entry bits (of PTE, PDE
/// and PDPTE, access, CPU flags), with SMEP and SMAP, which that leaves out. Fault or not, code, A and D afterwards.
final class WalkerOracleTests: XCTestCase {
  /// One combination. Bits of a PTE and a PDE: P, RW, US, A, D, NX, a reserved bit; a PDE also PS and bit 13.
  private struct Combination {
    var bits: UInt64
    func has(_ index: UInt64) -> Bool { bits >> index & 1 == 1 }
    static let count: UInt64 = 24

    private func entry(_ first: UInt64) -> UInt64 {
      (has(first) ? 1 : 0) | (has(first + 1) ? 2 : 0) | (has(first + 2) ? 4 : 0) | (has(first + 3) ? 0x20 : 0)
        | (has(first + 4) ? 0x40 : 0) | (has(first + 5) ? 1 << 63 : 0)
    }
    /// PAE paging reserves bits 62…52 besides; an entry of 32-bit paging has no upper half.
    func pte(_ levels: Int) -> UInt64 {
      let entry = entry(0) | (isReserved(0) ? 1 << (levels == 3 ? 57 : 51) : 0)
      return levels == 2 ? entry & 0xffff_ffff : entry
    }
    /// The one reserved bit of a page of 4 MiB is bit 21; its bits 20…13 are address bits.
    func pde(_ levels: Int) -> UInt64 {
      let bit13: UInt64 = isReserved(2) ? (levels == 2 ? 1 << 21 : 1 << 13) : 0
      let entry = entry(6) | (isReserved(1) ? 1 << 50 : 0) | (has(12) ? 0x80 : 0) | bit13
      return levels == 2 ? entry & 0xffff_ffff : entry
    }
    /// Where a large page lies. Without PSE, 32-bit paging takes it for a table there.
    func large(_ levels: Int) -> UInt64 { levels == 2 ? 0x80_0000 : 0x60_0000 }
    var pageSizeExtensions: Bool { has(15) }
    /// Two bits choose at most one reserved bit: none, PTE 51, PDE 50, or bit 13 of a PDE that maps a page.
    private func isReserved(_ index: UInt64) -> Bool {
      let chosen = bits >> 13 & 3
      return chosen == index + 1 && (index < 2 || has(12))
    }
    var hasReservedBits: Bool { bits >> 13 & 3 != 0 }
    var pdpteWritable: Bool { !has(15) }
    var user: Bool { has(16) }
    var kind: AccessKind { AccessKind.allCases[Int(bits >> 17 & 3) % 3] }
    var noExecuteEnable: Bool { has(19) }
    var writeProtect: Bool { has(20) }
    var smep: Bool { has(21) }
    var smap: Bool { has(22) }
    /// A supervisor read goes first.
    var twice: Bool { has(23) }
  }

  private let va: UInt64 = 0x200_0000

  /// Some combinations share a program, so that the machine's start costs little.
  private func check(
    _ modes: [Mode], _ combinations: [Combination], levels: Int = 4, comparesEntries: Bool = true,
    turnsEntries: Bool = false
  ) throws {
    let perRun = 512
    for start in stride(from: 0, to: combinations.count, by: perRun) {
      let some = combinations[start..<min(start + perRun, combinations.count)]
      for mode in modes { try run(mode, Array(some), levels, comparesEntries, turnsEntries) }
    }
  }

  private func run(
    _ mode: Mode, _ combinations: [Combination], _ levels: Int, _ comparesEntries: Bool, _ turnsEntries: Bool
  ) throws {
    var guest = Guest(levels: levels)
    guest.append(.ram, 1 << 30)
    guest.map(va, to: 0x5000)
    let isLong = levels >= 4
    let places = (
      pte: guest.entry(va), pde: guest.entry(va, level: 2), pdpte: isLong ? guest.entry(va, level: 3) : 0
    )
    let table = places.pte & ~0xfff
    guest.boot()
    let la57 = levels == 5 ? CR4.la57 : 0
    var expected: [Fault] = []
    var checks: [(operation: UInt64, place: UInt64, value: UInt64, combination: Combination)] = []
    // The first access sets the machine going; what follows are instructions.
    guest.read(0x7000_0000)
    expected.append(Fault(operation: guest.next - 1, va: 0x7000_0000, code: 4))
    for combination in combinations {
      let pdpte = (places.pde & ~0xfff) | (combination.pdpteWritable ? 7 : 5)
      var words = [
        places.pde: combination.pde(levels) | (combination.has(12) ? combination.large(levels) : table),
        places.pte: combination.pte(levels) | 0x5000,
      ]
      if isLong { words[places.pdpte] = pdpte }
      for (place, word) in words.sorted(by: { $0.key < $1.key }) { guest.store(word, at: place) }
      guest.append(.loadCR0, 0x8004_0033 | (combination.writeProtect ? CR0.writeProtect : 0))
      guest.append(.loadEFER, (isLong ? 0x500 : 0) | (combination.noExecuteEnable ? EFER.noExecute : 0))
      let smep = combination.smep ? CR4.smep : 0
      let format = levels > 2 ? CR4.pae | la57 : combination.pageSizeExtensions ? CR4.pse : 0
      guest.append(.loadCR4, format | smep | (combination.smap ? CR4.smap : 0))
      guest.invlpg(va)

      var walker = ReferenceWalker()
      walker.levels = levels
      walker.writeProtect = combination.writeProtect
      walker.noExecuteEnable = combination.noExecuteEnable
      walker.pageSizeExtensions = combination.pageSizeExtensions
      walker.smep = combination.smep
      walker.smap = combination.smap
      var requests = [
        ReferenceWalker.Request(
          va: va, user: combination.user, write: combination.kind == .store, fetch: combination.kind == .fetch)
      ]
      if combination.twice { requests.insert(ReferenceWalker.Request(va: va, user: false), at: 0) }
      for request in requests {
        let kind: AccessKind = request.write ? .store : request.fetch ? .fetch : .load
        guest.access(Access(kind, user: request.user), va)
        let result = walker.walk(request, root: guest.root) { words[$0] ?? guest.words[$0, default: 0] }
        XCTAssertFalse(result.read.isEmpty)
        if let code = result.code {
          expected.append(Fault(operation: guest.next - 1, va: va, code: code))
          continue
        }
        for place in result.read where words[place] != nil { words[place, default: 0] |= 0x20 }
        if request.write, let leaf = result.read.last { words[leaf, default: 0] |= 0x40 }
      }
      for place in [places.pte, places.pde] {
        // A read-back gives 8 bytes: of 32-bit paging, two entries.
        let word = place & ~7
        guest.append(.readBack, word)
        let other = levels == 2 ? guest.words[place ^ 4, default: 0] : 0
        let value = words[place, default: 0]
        checks.append((guest.next - 1, word, place == word ? value | other << 32 : value << 32 | other, combination))
      }
    }
    var settings = Settings()
    settings.guestAlignmentCheck = false
    settings.shadow.turnsEntries = turnsEntries
    let outcome = try guest.run(mode, on: .roomy, settings, batch: 4096)
    XCTAssertEqual(outcome.divergences, [], "\(mode)")
    XCTAssertEqual(outcome.faults, expected, "\(mode)")
    guard comparesEntries else { return }
    let loads = outcome.events.filter { $0.kind == .load }.map(\.value)
    for (check, found) in zip(checks, loads) where found != check.value {
      let wanted = String(check.value, radix: 16)
      XCTFail(
        "\(mode): entry \(String(check.place, radix: 16)) is \(String(found ?? 0, radix: 16)), expected \(wanted), "
          + "combination \(String(check.combination.bits, radix: 16))")
    }
    XCTAssertEqual(loads.count, checks.count)
  }

  private func sample(_ count: Int, seed: UInt64) -> [Combination] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in
      var bits = random.next() & (1 << Combination.count - 1)
      // Mostly present entries: what lies below an absent one is never seen.
      if !random.oneIn(4) { bits |= 1 | 1 << 6 }
      if !random.oneIn(2) { bits &= ~(3 << 13) }
      return Combination(bits: bits)
    }
  }

  func testModesAgainstTheOracle() throws {
    let modes: [Mode] = [.native, .emulatedTLB, .shadow, .nested]
    for seed in seeds(1) { try check(modes, sample(12_000, seed: seed)) }
  }

  /// Direct paging refuses reserved bits at the hypercall, so they are left out, and NX with NXE clear with them;
  /// stores that WP = 0 lets pass are Xen's to emulate, which sets no D: faults alone are compared.
  func testDirectPagingAgainstTheOracle() throws {
    for seed in seeds(1) {
      let some = sample(1500, seed: seed &+ 9).map { Combination(bits: $0.bits & ~(3 << 13) | 1 << 19) }
      try check([.direct], some, comparesEntries: false)
    }
  }

  /// PAE and 32-bit paging; without PSE a page directory's bit 7 means nothing.
  func testFewerLevels() throws {
    let modes: [Mode] = [.native, .emulatedTLB, .shadow, .nested]
    for levels in [2, 3] {
      for seed in seeds(1) { try check(modes, sample(3000, seed: seed &+ UInt64(levels)), levels: levels) }
    }
  }

  /// With CR0.WP = 0 by flips of shadow entries: nearly all combinations have WP clear.
  func testTurnedEntriesAgainstTheOracle() throws {
    for seed in seeds(1) {
      let some = sample(4000, seed: seed &+ 21).enumerated().map { index, combination in
        Combination(bits: index % 8 == 0 ? combination.bits : combination.bits & ~(1 << 20))
      }
      try check([.emulatedTLB, .shadow], some, turnsEntries: true)
    }
  }

  func testFiveLevels() throws {
    let modes: [Mode] = [.native, .emulatedTLB, .shadow, .nested]
    for seed in seeds(1) { try check(modes, sample(2000, seed: seed &+ 5), levels: 5) }
  }
}
