internal import Paging

/// Codes a span's operations that are no copies (``BinaryLayout``): its first three parts.
struct LiteralEncoder {
  private(set) var codes: [UInt8] = []
  var details: [UInt8] = []
  private(set) var deltas: [UInt8] = []
  var detailContext = DetailContext()

  /// By ``LiteralCode/slot``.
  private var addresses = [UInt64](repeating: 0, count: LiteralCode.slotCount)
  /// When each recent data address was used last, in accesses.
  private var lastUse = [Int](repeating: 0, count: LiteralCode.recentCount)
  private var count = 0
  private var isUser = false

  /// Bytes of all parts.
  var length: Int { codes.count + details.count + deltas.count }

  mutating func reset() {
    codes.removeAll(keepingCapacity: true)
    details.removeAll(keepingCapacity: true)
    deltas.removeAll(keepingCapacity: true)
    detailContext = DetailContext()
    for slot in addresses.indices { addresses[slot] = 0 }
    for slot in lastUse.indices { lastUse[slot] = 0 }
    count = 0
    isUser = false
  }

  /// Codes an access.
  mutating func append(access operation: Operation) {
    if operation.isUser != isUser {
      isUser.toggle()
      codes.append(LiteralCode.modeChange)
    }
    count += 1
    if operation.kind == .fetch {
      appendFetch(operation)
    } else {
      appendData(operation)
    }
  }

  /// Says that an operation comes that `details` describe.
  mutating func appendOther() { codes.append(LiteralCode.other) }

  /// Says that a copy comes.
  mutating func appendCopy() { codes.append(LiteralCode.copy) }

  private mutating func appendFetch(_ operation: Operation) {
    let size = Int(operation.size)
    let delta = operation.address &- addresses[LiteralCode.fetched]
    let length = delta.signedLength
    if size < LiteralCode.fetchSizes && length <= 4 {
      codes.append(UInt8(LiteralCode.firstFetch + LiteralCode.fetchForms * size + length - 1))
      deltas.append(littleEndian: delta, length: length)
    } else {
      appendFar(operation, slot: 0)
    }
    addresses[LiteralCode.fetched] = operation.address
  }

  private mutating func appendData(_ operation: Operation) {
    let size = Int(operation.size)
    let (slot, log) = choose(operation.address)
    if size <= 8 && size.nonzeroBitCount == 1 && log <= 2 {
      let row = (operation.kind == .store ? 4 : 0) + size.trailingZeroBitCount
      codes.append(UInt8(LiteralCode.dataForms * row + 3 * slot + log))
      deltas.append(littleEndian: operation.address &- addresses[slot], length: 1 << log)
    } else {
      appendFar(operation, slot: slot)
    }
    addresses[slot] = operation.address
    lastUse[slot] = count
  }

  /// The recent address with the shortest delta, and the logarithm of its length in bytes. If none is within 16 bits,
  /// the one that was not used for the longest time.
  private func choose(_ address: UInt64) -> (slot: Int, log: Int) {
    var best = (slot: 0, log: 3)
    for slot in lastUse.indices {
      let log = (address &- addresses[slot]).signedLengthLog
      if log == 0 { return (slot, 0) }
      if log < best.log { best = (slot, log) }
    }
    if best.log == 1 { return best }
    var oldest = 0
    for slot in lastUse.indices where lastUse[slot] < lastUse[oldest] { oldest = slot }
    return (oldest, (address &- addresses[oldest]).signedLengthLog)
  }

  private mutating func appendFar(_ operation: Operation, slot: Int) {
    codes.append(LiteralCode.farAccess)
    details.append(operation.kind.rawValue + UInt8(4 * slot))
    details.append(varint: UInt64(operation.size))
    details.append(signedVarint: operation.address)
  }
}
