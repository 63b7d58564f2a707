internal import Paging

/// Codes operations into the three parts of a block (``BinaryLayout``).
struct BlockEncoder {
  private(set) var codes: [UInt8] = []
  var details: [UInt8] = []
  private(set) var deltas: [UInt8] = []
  private(set) var count = 0
  var wordCount = 0
  var detailContext = DetailContext()

  private var context = AddressContext()
  /// When each `recent` address was used last, in operations.
  private var lastUse = [Int](repeating: 0, count: AddressContext.recentCount)
  private var isUser = false

  init() {
    codes.reserveCapacity(2 * OperationBatch.capacity)
    deltas.reserveCapacity(4 * OperationBatch.capacity)
  }

  /// The block has to end. Decided by the operations in it alone, so that the same ones always give the same blocks.
  var isFull: Bool {
    count == OperationBatch.capacity || wordCount >= OperationBatch.payloadLimit
      || details.count >= BinaryLayout.detailLimit
  }

  mutating func reset() {
    codes.removeAll(keepingCapacity: true)
    details.removeAll(keepingCapacity: true)
    deltas.removeAll(keepingCapacity: true)
    count = 0
    wordCount = 0
    detailContext = DetailContext()
    context.reset()
    for slot in lastUse.indices { lastUse[slot] = 0 }
    isUser = false
  }

  /// Codes an access: the block must not be full.
  mutating func append(access operation: Operation) {
    if operation.isUser != isUser {
      isUser.toggle()
      codes.append(AccessCode.modeChange)
    }
    count += 1
    if operation.kind == .fetch {
      appendFetch(operation)
    } else {
      appendData(operation)
    }
  }

  /// Counts an operation that is described in `details`.
  mutating func appendOther() {
    codes.append(AccessCode.other)
    count += 1
  }

  private mutating func appendFetch(_ operation: Operation) {
    let size = Int(operation.size)
    let address = operation.address
    let delta = address &- context.addresses[AddressContext.fetched]
    let code = AccessCode.firstFetch + AccessCode.fetchForms * size
    if size >= AccessCode.fetchSizes {
      appendFar(operation, slot: 0)
    } else if address == context.addresses[Int(context.context)] {
      codes.append(UInt8(code))
    } else if let log = Self.deltaLog(delta) {
      codes.append(UInt8(code + 1 + log))
      append(delta: delta, length: 1 << log)
    } else {
      appendFar(operation, slot: 0)
    }
    context.note(address, isFetch: true, slot: AddressContext.fetched)
  }

  private mutating func appendData(_ operation: Operation) {
    let address = operation.address
    let choice = choose(address)
    let size = Int(operation.size)
    guard size <= 8 && size.nonzeroBitCount == 1, choice.length <= 4 else {
      let slot = choice.slot ?? leastRecentSlot()
      appendFar(operation, slot: slot)
      lastUse[slot] = count
      context.note(address, isFetch: false, slot: AddressContext.recent + slot)
      return
    }
    let row = (operation.kind == .store ? 4 : 0) + size.trailingZeroBitCount
    let form: Int
    if let slot = choice.slot {
      form = 3 + 3 * slot + choice.length.trailingZeroBitCount
      append(delta: address &- context.addresses[AddressContext.recent + slot], length: choice.length)
      lastUse[slot] = count
      context.note(address, isFetch: false, slot: AddressContext.recent + slot)
    } else {
      form = choice.length
      append(delta: address &- context.addresses[Int(context.context)], length: choice.length)
      context.note(address, isFetch: false, slot: AddressContext.nowhere)
    }
    codes.append(UInt8(AccessCode.dataForms * row + form))
  }

  /// The base for a data address: a `recent` slot, or nil for `follow`; and the delta's length, 8 if none is near.
  private func choose(_ address: UInt64) -> (slot: Int?, length: Int) {
    let delta = address &- context.addresses[Int(context.context)]
    if delta == 0 { return (nil, 0) }
    if Self.fits(delta, 8) { return (nil, 1) }
    var near: Int?
    for slot in 0..<AddressContext.recentCount {
      let delta = address &- context.addresses[AddressContext.recent + slot]
      if Self.fits(delta, 8) { return (slot, 1) }
      if near == nil && Self.fits(delta, 16) { near = slot }
    }
    if Self.fits(delta, 16) { return (nil, 2) }
    if let near { return (near, 2) }
    let slot = leastRecentSlot()
    return (slot, Self.fits(address &- context.addresses[AddressContext.recent + slot], 32) ? 4 : 8)
  }

  private func leastRecentSlot() -> Int {
    var oldest = 0
    for slot in 1..<lastUse.count where lastUse[slot] < lastUse[oldest] { oldest = slot }
    return oldest
  }

  private mutating func appendFar(_ operation: Operation, slot: Int) {
    codes.append(AccessCode.farAccess)
    details.append(operation.kind.rawValue + UInt8(4 * slot))
    details.append(varint: UInt64(operation.size))
    details.append(signedVarint: operation.address)
  }

  private mutating func append(delta: UInt64, length: Int) {
    var rest = delta
    for _ in 0..<length {
      deltas.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Logarithm of the length in bytes, 1, 2 or 4, that holds the delta; nil if none does.
  private static func deltaLog(_ delta: UInt64) -> Int? {
    fits(delta, 8) ? 0 : fits(delta, 16) ? 1 : fits(delta, 32) ? 2 : nil
  }

  /// Whether a signed number of that many bits holds the delta.
  private static func fits(_ delta: UInt64, _ bits: UInt64) -> Bool { delta &+ (1 << (bits - 1)) < 1 << bits }
}
