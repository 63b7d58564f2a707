internal import Paging

/// The tables and the state that ``SpanDecoder`` and its loops share: owned memory, since they take turns many times a
/// batch.
@safe final class SpanMemory {
  /// By ``LiteralCode/slot``.
  let addresses: UnsafeMutablePointer<UInt64>
  /// ``LiteralCode/all``.
  let codes: UnsafeMutablePointer<LiteralCode>
  /// ``CopyPiece/all``, by first byte.
  let pieces: UnsafeMutablePointer<CopyPiece>
  /// ``CopyPiece/masks``.
  let masks: UnsafeMutablePointer<SIMD2<UInt64>>
  /// Where the operations of the window's batches are, while a batch is decoded.
  let batches: UnsafeMutablePointer<UnsafeRawPointer>
  /// A bit for each operation of the window: it is no access. 8 bytes more may be read.
  private let others: UnsafeMutableRawPointer

  private static var batchCount: Int { BinaryLayout.spanWindow / OperationBatch.capacity }
  private static var bytesOfBatch: Int { OperationBatch.capacity / 8 }

  init() {
    // SAFETY: all of it is initialised here, and freed with the object; the values have nothing to deinitialise.
    unsafe addresses = .allocate(capacity: LiteralCode.slotCount)
    unsafe addresses.initialize(repeating: 0, count: LiteralCode.slotCount)
    unsafe codes = Self.allocate(LiteralCode.all)
    unsafe pieces = Self.allocate(CopyPiece.all)
    unsafe masks = Self.allocate(CopyPiece.masks)
    unsafe batches = .allocate(capacity: Self.batchCount)
    unsafe batches.initialize(repeating: UnsafeRawPointer(addresses), count: Self.batchCount)
    let size = BinaryLayout.spanWindow / 8 + 8
    unsafe others = .allocate(byteCount: size, alignment: 8)
    unsafe others.initializeMemory(as: UInt8.self, repeating: 0, count: size)
  }

  private static func allocate<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    for index in elements.indices { unsafe (memory + index).initialize(to: elements[index]) }
    return unsafe memory
  }

  deinit {
    unsafe addresses.deallocate()
    unsafe codes.deallocate()
    unsafe pieces.deallocate()
    unsafe masks.deallocate()
    unsafe batches.deallocate()
    unsafe others.deallocate()
  }

  /// All addresses become 0.
  func resetAddresses() { unsafe addresses.update(repeating: 0, count: LiteralCode.slotCount) }

  /// All operations of a batch are taken for accesses.
  func beginBatch(_ slot: Int) {
    precondition(slot < Self.batchCount)
    unsafe (others + slot * Self.bytesOfBatch).initializeMemory(as: UInt8.self, repeating: 0, count: Self.bytesOfBatch)
  }

  /// Sets ``batches`` for the time of the call.
  @unsafe func withBatches(_ window: [[Operation]], from slot: Int = 0, _ body: () -> Bool) -> Bool {
    guard slot < window.count else { return body() }
    return unsafe window[slot].withUnsafeBytes { bytes in
      if let start = bytes.baseAddress { unsafe batches[slot] = start }
      return unsafe withBatches(window, from: slot + 1, body)
    }
  }

  /// Notes that an operation of the window is no access.
  func noteOther(at place: Int) {
    let place = place & (BinaryLayout.spanWindow - 1)
    let byte = unsafe others.load(fromByteOffset: place / 8, as: UInt8.self)
    unsafe others.storeBytes(of: byte | 1 << UInt8(place % 8), toByteOffset: place / 8, as: UInt8.self)
  }

  /// 0 if `count` operations of the window, at most 32 in one batch, are accesses all.
  @inline(__always)
  @unsafe func others(at place: Int, _ count: Int) -> UInt64 {
    // SAFETY: the caller's place is in the window, and 8 bytes behind it can be read.
    let bits = unsafe others.loadUnaligned(fromByteOffset: place &>> 3, as: UInt64.self) &>> UInt64(place & 7)
    return bits &<< UInt64(64 &- count)
  }
}
