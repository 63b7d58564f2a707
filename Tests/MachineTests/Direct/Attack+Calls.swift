import Paging

@testable import Machine

/// What the attacker throws.
extension Attack {
  func randomFrame(_ dice: inout SplitMix64) -> UInt64 {
    // Its own tables and their neighbours most of the time.
    dice.oneIn(3) ? dice.pick(frames).raw : frames[dice.below(10)].raw
  }

  func randomAddress(_ dice: inout SplitMix64) -> VirtualAddress {
    var address: UInt64 = 0
    for level in 1...4 {
      address |= UInt64(dice.below(level == 1 ? 4 : dice.oneIn(3) ? 3 : 1)) << UInt64(3 + 9 * level)
    }
    return VirtualAddress(address)
  }

  func randomEntry(_ dice: inout SplitMix64) -> UInt64 {
    if dice.oneIn(8) { return 0 }
    var flags = dice.pick([7, 5, 3, 7, 7, 0x27, 0x67, 6] as [UInt64])
    if dice.oneIn(20) { flags |= 1 << UInt64(dice.below(12)) }
    if dice.oneIn(20) { flags |= 1 << UInt64(52 + dice.below(12)) }
    return randomFrame(&dice) << 12 | flags
  }

  func randomDomain(_ dice: inout SplitMix64) -> DomainID {
    dice.oneIn(12) ? dice.pick([.guest, DomainID(1), DomainID(8), DomainID(9), .io, .xen]) : .oneself
  }

  func randomCall(_ dice: inout SplitMix64, isNested: Bool) -> Hypercall {
    switch dice.below(16) {
    case 0...3:
      var updates = Hypercall.MMUUpdates(requests: [])
      for _ in 0...dice.below(4) {
        let command = dice.oneIn(4) ? UInt64(dice.below(8)) : 0
        updates.requests.append(
          (pointer: randomFrame(&dice) << 12 | UInt64(dice.below(4) * 8) | command, value: randomEntry(&dice)))
      }
      updates.pages = randomDomain(&dice)
      updates.tables = randomDomain(&dice)
      return .mmuUpdate(updates)
    case 4, 5:
      var update = Hypercall.MappingUpdate(address: randomAddress(&dice), value: randomEntry(&dice))
      update.flush = .init(extent: dice.pick([.nothing, .page, .everything]), isGlobal: dice.oneIn(2))
      update.pages = randomDomain(&dice)
      if dice.oneIn(20) { update.address = VirtualAddress(dice.next()) }
      return .updateMapping(update)
    case 6...8:
      var calls: [Hypercall.MMUExtendedCall] = []
      for _ in 0...dice.below(2) {
        let number = dice.pick([0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 10, 13, 15, 16, 17, 19, 99])
        calls.append(
          .init(number: number, first: randomFrame(&dice) << 12, second: randomFrame(&dice) << 12))
      }
      return .mmuExtended(calls, pages: randomDomain(&dice))
    case 9, 10: return .memory(randomMemoryCall(&dice))
    case 11...14: return .grant(randomGrantCall(&dice))
    default:
      if isNested { return dice.oneIn(2) ? .iret : .multicall([]) }
      return .multicall((0...dice.below(3)).map { _ in randomCall(&dice, isNested: true) })
    }
  }

  private func randomMemoryCall(_ dice: inout SplitMix64) -> Hypercall.MemoryCall {
    let order = dice.oneIn(8) ? dice.below(3) - 1 : 0
    let some = (0...dice.below(2)).map { _ in MPN(randomFrame(&dice)) }
    let pages = some.indices.map { _ in PPN(UInt64(dice.below(Int(Self.ownPages)))) }
    switch dice.below(6) {
    case 0: return .increase(count: dice.below(3), order: order)
    case 1, 2: return .decrease(some, order: order)
    case 3: return .populate(pages, order: order)
    case 4:
      var exchange = Hypercall.Exchange(input: some, output: pages)
      if dice.oneIn(3) { exchange.exchanged = dice.pick([1, 2, .max]) }
      if dice.oneIn(3) { exchange.outputOrder = dice.below(3) - 1 }
      return .exchange(exchange)
    default: return dice.oneIn(2) ? .currentReservation : .maximumReservation
    }
  }
}
