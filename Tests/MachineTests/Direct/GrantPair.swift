import Paging

@testable import Machine

/// Two domains with processors of their own: the granter's page 5, mapped by the mapper.
struct GrantPair: ~Copyable {
  static let granter = DomainID(1)
  /// The entry of the mapper's lowest table that maps what is granted, and what it maps.
  private static let index = 5
  static var address: VirtualAddress { VirtualAddress(UInt64(index) << 12) }

  let host = XenHost()
  var mapper: Attack
  var granter: Attack
  var frame: MPN { granter.frames[5] }
  var entry: UInt64 { mapper.frames[1].entryAddress(index: Self.index).raw }

  init() {
    mapper = Attack(.guest, on: host)
    granter = Attack(Self.granter, on: host)
  }

  mutating func grant(_ reference: Int, isReadOnly: Bool = false) -> Int {
    let call = GrantCall.grantAccess(
      reference: reference, to: .guest, frame: frame, isReadOnly: isReadOnly)
    return granter.at(host) { $0.call(.grant(call)).value }
  }

  /// The status, 0 if it is mapped.
  mutating func map(_ reference: Int, _ flags: GrantMapFlags = [.host, .application, .containsEntry]) -> Int {
    let map = GrantCall.Map(granter: Self.granter, reference: reference, address: entry, flags: flags)
    return mapper.at(host) { $0.call(.grant(.map([map]))).parts[0].value }
  }

  mutating func unmap(_ handle: Int, bus: UInt64 = 0) -> Int {
    let unmap = GrantCall.Unmap(handle: handle, address: entry, busAddress: bus)
    return mapper.at(host) { $0.call(.grant(.unmap([unmap]))).parts[0].value }
  }

  mutating func problem() -> String? {
    mapper.at(host) { $0.backend.xen.violatedInvariant($0.machine) ?? $0.staleRight() }
      ?? granter.at(host) { $0.staleRight() }
  }

  /// The word of an entry of the granter's table.
  mutating func word(_ reference: Int) -> UInt64 {
    granter.at(host) { attack in
      attack.backend.xen.grantTables[Self.granter].map { attack.machine.memory.read($0.place(of: reference)) }
        ?? 0
    }
  }
}
