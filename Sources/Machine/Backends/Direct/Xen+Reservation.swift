internal import Paging

/// `memory_op`: what a domain asks for and gives back (Xen, common/memory.c).
extension Xen {
  /// Largest order that a domain without devices of its own may ask for (Xen, CONFIG_DOMU_MAX_ORDER).
  static var maximumOrder: Int { 9 }

  /// Increase, decrease and populate return the number of extents done, never an error.
  mutating func reserve(
    _ call: Hypercall.MemoryCall, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    switch call {
    case .increase(let count, let order):
      return take(Array(repeating: nil, count: count), order: order, for: domain, &cpu, &machine)
    case .populate(let pages, let order): return take(pages, order: order, for: domain, &cpu, &machine)
    case .decrease(let extents, let order): return giveBack(extents, order: order, for: domain, &machine)
    case .exchange(let exchange): return self.exchange(exchange, for: domain, &cpu, &machine)
    case .currentReservation: return HypercallResult(Int(frames.pages(of: domain, machine)))
    case .maximumReservation: return HypercallResult(Int(maximum(of: domain, machine)))
    }
  }

  /// An extent of each order; with a page, that is what M2P says of its first frame.
  private mutating func take(
    _ extents: [PPN?], order: Int, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    guard (0...Self.maximumOrder).contains(order) else { return result }
    let size = UInt64(1) << UInt64(order)
    for page in extents {
      guard frames.pages(of: domain, machine) + size <= maximum(of: domain, machine) else { break }
      guard let first = frames.allocate(order: order, for: domain, &cpu, &machine) else { break }
      for index in 0..<size {
        if let page { setPhysical(page.raw + index, of: first.advanced(by: index)) }
        result.frames.append(first.advanced(by: index))
      }
      result.value += 1
    }
    return result
  }

  private mutating func giveBack(
    _ extents: [MPN], order: Int, for domain: DomainID, _ machine: inout MachineState
  ) -> HypercallResult {
    var result = HypercallResult()
    guard (0...Self.maximumOrder).contains(order) else { return result }
    for extent in extents {
      for index in 0..<UInt64(1) << UInt64(order) {
        guard frames.decrease(extent.advanced(by: index), for: domain, &machine) else { return result }
      }
      result.value += 1
    }
    return result
  }

  /// `XENMEM_exchange`, a chunk at a time: all of a chunk's frames go, or none.
  private mutating func exchange(
    _ exchange: Hypercall.Exchange, for domain: DomainID, _ cpu: inout VirtualCPU, _ machine: inout MachineState
  ) -> HypercallResult {
    let (input, output) = (exchange.inputOrder, exchange.outputOrder)
    var result = HypercallResult()
    var done = Int(truncatingIfNeeded: exchange.exchanged)
    do throws(XenError) {
      // The arrays are checked from where the guest says that it goes on (XSA-212).
      guard exchange.exchanged <= UInt64(exchange.input.count) else { throw .badAddress }
      guard (0...Self.maximumOrder).contains(input), (0...Self.maximumOrder).contains(output) else {
        throw .notPermitted
      }
      guard exchange.input.count << input == exchange.output.count << output else { throw .invalid }
      let chunk = max(input, output)
      let (inputs, outputs) = (1 << (chunk - input), 1 << (chunk - output))
      guard done % inputs == 0, exchange.input.count % inputs == 0 else { throw .invalid }
      while done < exchange.input.count {
        let given = exchange.input[done..<done + inputs].flatMap { first in
          (0..<UInt64(1) << UInt64(input)).map { first.advanced(by: $0) }
        }
        let start = done / inputs * outputs
        result.frames += try trade(
          given, for: Array(exchange.output[start..<start + outputs]), order: output, of: domain, &cpu, &machine)
        done += inputs
      }
    } catch {
      result.value = -error.rawValue
    }
    if exchange.exchanged <= UInt64(exchange.input.count) { result.done = done }
    return result
  }

  /// One chunk: the new frames are there before the old ones go.
  private mutating func trade(
    _ given: [MPN], for pages: [PPN], order: Int, of domain: DomainID, _ cpu: inout VirtualCPU,
    _ machine: inout MachineState
  ) throws(XenError) -> [MPN] {
    guard Set(given).count == given.count else { throw .invalid }
    for frame in given where !frames.isTradable(frame, for: domain, machine) { throw .invalid }
    var taken: [MPN] = []
    for page in pages {
      guard let first = frames.allocate(order: order, for: domain, &cpu, &machine) else {
        for frame in taken { _ = frames.decrease(frame, for: domain, &machine) }
        throw .outOfMemory
      }
      for index in 0..<UInt64(1) << UInt64(order) {
        setPhysical(page.raw + index, of: first.advanced(by: index))
        taken.append(first.advanced(by: index))
      }
    }
    for frame in given { _ = frames.decrease(frame, for: domain, &machine) }
    return taken
  }
}
