internal import Paging

/// The inner loop of ``SpanDecoder`` for copies (``BinaryLayout``): about six instructions an operation, and fifty a piece.
///
/// Four operations a round, whether the piece has so many or not: how long a piece is cannot be foreseen, and a wrong
/// guess costs as much as copying ten operations. What is written behind the piece's end is written again by what
/// comes next. A bit of the piece's map takes all of the difference or nothing, without a branch.
@unsafe struct CopyLoop {
  let memory: SpanMemory
  /// What is added to an address.
  var difference: UInt64
  /// The next byte of the copies. Whether it is behind their end is checked once a batch: a batch cannot take so many
  /// more that the padding behind the payload would not have them.
  var bytes: UnsafeRawPointer

  /// Operations of a round.
  private static var round: Int { 4 }

  /// Takes one copy, of operations from number `place` on, which go to `target`, and none at or behind `limit`.
  ///
  /// - Returns: the number behind it, -1 if it is none.
  mutating func decode(at place: Int, limit: Int, to target: UnsafeMutableRawPointer) -> Int {
    let memory = unsafe memory
    let (pieces, masks, batches) = unsafe (memory.pieces, memory.masks, memory.batches)
    var (difference, bytes) = unsafe (difference, bytes)
    // SAFETY: 4096 copies of a batch's 4096 operations, each one piece of 1 + 4 + 1 bytes behind the distance, and the
    // 16 bytes that are loaded at once, are less than the padding. A piece is checked to have room in both batches.
    let distance = unsafe Int(bytes.loadUnaligned(as: UInt16.self))
    guard distance > 0 && distance <= min(place, BinaryLayout.distanceLimit) else { return -1 }
    unsafe bytes += 2
    var (place, target) = unsafe (place, target)
    var (first, others) = (UInt8(0), UInt64(0))
    while first & CopyPiece.last == 0 {
      first = unsafe bytes.load(as: UInt8.self)
      let piece = unsafe pieces + Int(first)
      let length = unsafe Int(piece.pointee.length)
      let source = (place &- distance) & (BinaryLayout.spanWindow - 1)
      let offset = source & (OperationBatch.capacity - 1)
      let room = min(limit &- place, OperationBatch.capacity &- offset)
      guard length <= room else { return -1 }
      others |= unsafe memory.others(at: source, length)
      let unused = unsafe Int64(piece.pointee.unused)
      let delta = unsafe ((bytes + 1).loadUnaligned(as: Int64.self) &<< unused) &>> unused
      let keep = unsafe piece.pointee.keep
      difference = difference & keep | UInt64(bitPattern: delta) & ~keep
      let map = unsafe Int((bytes + Int(piece.pointee.map)).loadUnaligned(as: UInt32.self))
      unsafe bytes += Int(piece.pointee.advance)
      let from = unsafe batches[source &>> 12] + offset &* 16
      if unsafe length &+ Self.round <= room {
        unsafe Self.copy(length, from: from, to: target, SIMD2(repeating: difference), map, masks)
      } else {
        unsafe Self.copyLast(length, from: from, to: target, SIMD2(repeating: difference), map, masks)
      }
      unsafe target += length &* 16
      place &+= length
    }
    unsafe (self.difference, self.bytes) = unsafe (difference, bytes)
    return others == 0 ? place : -1
  }

  @inline(__always)
  private static func copy(
    _ length: Int, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, _ difference: SIMD2<UInt64>,
    _ map: Int, _ masks: UnsafePointer<SIMD2<UInt64>>
  ) {
    // SAFETY: the operations up to the target are there, those behind are written by this loop before it reads them, and
    // behind the piece both batches have as much room as a round takes too much. A mask's index has four bits.
    var (source, target) = unsafe (source, target)
    var map = map
    var left = length
    repeat {
      let masks = unsafe masks + (map & 15) &* 4
      for index in 0..<4 {
        let operation = unsafe source.loadUnaligned(fromByteOffset: index &* 16, as: SIMD2<UInt64>.self)
        let sum = unsafe operation &+ difference & masks[index]
        unsafe target.storeBytes(of: sum, toByteOffset: index &* 16, as: SIMD2<UInt64>.self)
      }
      map = map &>> 4
      unsafe source += 64
      unsafe target += 64
      left = left &- 4
    } while left > 0
  }

  /// The same at the end of a batch, where nothing may be written or read behind the piece.
  private static func copyLast(
    _ length: Int, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, _ difference: SIMD2<UInt64>,
    _ map: Int, _ masks: UnsafePointer<SIMD2<UInt64>>
  ) {
    for index in 0..<length {
      // SAFETY: as above, and an odd mask index selects the difference for the first of four operations.
      let operation = unsafe source.loadUnaligned(fromByteOffset: index &* 16, as: SIMD2<UInt64>.self)
      let sum = unsafe operation &+ difference & masks[(map >> index & 1) * 4]
      unsafe target.storeBytes(of: sum, toByteOffset: index &* 16, as: SIMD2<UInt64>.self)
    }
  }
}
