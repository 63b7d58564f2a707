internal import Paging

/// The inner loop of ``SpanDecoder`` for accesses that are no copies: about sixteen instructions each, without a branch
/// but the one for other codes.
@unsafe struct LiteralLoop {
  let table: UnsafePointer<LiteralCode>
  /// By ``LiteralCode/slot``.
  let addresses: UnsafeMutablePointer<UInt64>
  /// The flags of all accesses, at their place in an operation's second half.
  var mode: UInt64
  /// The next delta.
  var deltas: UnsafeRawPointer

  /// Decodes up to `run` accesses, fewer if another code comes; returns how many.
  mutating func decode(_ run: Int, _ codes: UnsafeRawPointer, to target: UnsafeMutableRawPointer) -> Int {
    let (table, addresses, mode) = unsafe (table, addresses, mode)
    var deltas = unsafe deltas
    var done = 0
    while done < run {
      let code = unsafe codes.load(fromByteOffset: done, as: UInt8.self)
      if code >= LiteralCode.modeChange { break }
      // SAFETY: a code below 248 has an entry in the table, whose slots are below LiteralCode.slotCount. The caller has
      // room for `run` operations, and padding behind the deltas.
      let entry = unsafe table + Int(code)
      let bits = unsafe deltas.loadUnaligned(as: UInt64.self) & entry.pointee.mask
      let delta = unsafe (bits ^ entry.pointee.sign) &- entry.pointee.sign
      let slot = unsafe addresses + Int(entry.pointee.slot)
      let address = unsafe slot.pointee &+ delta
      unsafe slot.pointee = address
      unsafe deltas += Int(entry.pointee.length)
      let operation = unsafe SIMD2(address, entry.pointee.half | mode)
      unsafe target.storeBytes(of: operation, toByteOffset: done &* 16, as: SIMD2<UInt64>.self)
      done &+= 1
    }
    unsafe self.deltas = unsafe deltas
    return done
  }
}
