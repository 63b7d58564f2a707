import Paging

@testable import Machine

/// What the attacker tries with grant tables, its own and others'.
extension Attack {
  func randomGrantCall(_ dice: inout SplitMix64) -> GrantCall {
    switch dice.below(16) {
    case 0...2:
      let other = dice.oneIn(8) ? randomGranter(&dice) : dice.pick(granters)
      return .grantAccess(
        reference: randomReference(for: other, &dice), to: other, frame: MPN(randomFrame(&dice)),
        isReadOnly: dice.oneIn(3))
    case 3: return .endAccess(reference: randomReference(for: dice.pick(granters), &dice))
    case 4...8: return .map((0...dice.below(2)).map { _ in randomMap(&dice) })
    case 9...11: return .unmap((0...dice.below(2)).map { _ in randomUnmap(&dice) })
    case 12, 13: return .copy([randomCopy(&dice)])
    // The frames of its own table, which it then knows of, and stores to.
    case 14: return dice.oneIn(2) ? .setUp(frames: 1 + dice.below(2), pages: []) : .statusFrames(1, pages: [])
    default: return dice.oneIn(3) ? .setVersion(1 + dice.below(2)) : .querySize
    }
  }

  /// References 0 and 1 are the guest's most of the time, as its victim has it, the next two somebody else's.
  private func randomReference(for domain: DomainID, _ dice: inout SplitMix64) -> Int {
    if dice.oneIn(12) { return dice.below(600) }
    return dice.oneIn(6) ? dice.below(4) : dice.below(2) + (domain == .guest ? 0 : 2)
  }

  private func randomGranter(_ dice: inout SplitMix64) -> DomainID {
    dice.oneIn(12) ? dice.pick([.guest, DomainID(1), DomainID(8), DomainID(9)]) : dice.pick(granters)
  }

  /// A place in one of its tables most of the time, else what it would map.
  private func randomAddress(_ flags: GrantMapFlags, _ dice: inout SplitMix64) -> UInt64 {
    guard flags.contains(.containsEntry) else { return randomAddress(&dice).raw }
    let table = self.frames.prefix(10).first { backend.xen.frames[$0].isTable && backend.xen.frames[$0].kind == .l1 }
    let frame = dice.oneIn(6) ? randomFrame(&dice) : (table ?? self.frames[1]).raw
    return frame << 12 | UInt64(dice.below(6) * 8) | (dice.oneIn(12) ? UInt64(dice.below(8)) : 0)
  }

  private func randomMap(_ dice: inout SplitMix64) -> GrantCall.Map {
    var flags: GrantMapFlags = dice.oneIn(3) ? .device : .host
    if dice.oneIn(6) { flags = [.device, .host] }
    if dice.oneIn(2) { flags.insert(.readOnly) }
    if !dice.oneIn(4) { flags.insert(.application) }
    if !dice.oneIn(4) { flags.insert(.containsEntry) }
    return GrantCall.Map(
      granter: randomGranter(&dice), reference: randomReference(for: machine.domain, &dice),
      address: randomAddress(flags, &dice),
      flags: flags)
  }

  private func randomUnmap(_ dice: inout SplitMix64) -> GrantCall.Unmap {
    var unmap = GrantCall.Unmap(handle: dice.below(4), address: randomAddress(.containsEntry, &dice))
    if !granted.isEmpty && !dice.oneIn(4) { unmap = dice.pick(granted) }
    if dice.oneIn(6) { unmap.address = randomAddress([], &dice) }
    if dice.oneIn(3) { unmap.busAddress = dice.oneIn(2) ? 0 : randomFrame(&dice) << 12 }
    return unmap
  }

  private func randomCopy(_ dice: inout SplitMix64) -> GrantCall.Copy {
    GrantCall.Copy(
      source: randomOperand(&dice), destination: randomOperand(&dice), length: UInt64(dice.pick([1, 8, 13, 4096, 64])))
  }

  private func randomOperand(_ dice: inout SplitMix64) -> GrantCall.Copy.Operand {
    let offset = dice.oneIn(3) ? UInt64(dice.below(4096)) : 0
    if dice.oneIn(2) { return .own(MachineAddress(randomFrame(&dice) << 12 | offset)) }
    return .grant(randomGranter(&dice), reference: randomReference(for: machine.domain, &dice), offset: offset)
  }
}
