internal import Paging

/// The inner loop of ``BlockDecoder``: about thirty instructions an access.
@unsafe struct AccessLoop {
  let table: UnsafePointer<AccessCode>
  /// The addresses of an ``AddressContext``.
  let addresses: UnsafeMutablePointer<UInt64>
  var context: Int
  /// The flags of all accesses, at their place in an operation's second half.
  let mode: UInt64
  /// The next delta.
  var deltas: UnsafeRawPointer

  /// Whether an `Operation` lies in memory as the loop writes it.
  static var matchesLayout: Bool {
    MemoryLayout<Operation>.stride == 16 && MemoryLayout<Operation>.offset(of: \.address) == 0
      && MemoryLayout<Operation>.offset(of: \.kind) == 8 && MemoryLayout<Operation>.offset(of: \.flags) == 9
      && MemoryLayout<Operation>.offset(of: \.size) == 10 && MemoryLayout<Operation>.offset(of: \.payload) == 12
  }

  /// Decodes up to `run` accesses, fewer if a rare code comes; returns how many.
  mutating func decode(_ run: Int, _ codes: UnsafeRawPointer, to target: UnsafeMutableRawPointer) -> Int {
    let (table, addresses, mode) = unsafe (table, addresses, mode)
    var (context, deltas) = unsafe (context, deltas)
    var done = 0
    while done < run {
      let code = unsafe codes.load(fromByteOffset: done, as: UInt8.self)
      if code >= LiteralCode.modeChange { break }
      // SAFETY: a code below 248 has an entry in the table, whose indices are below AddressContext.count, as is the
      // context (10 bits). The caller has room for `run` operations, and padding behind the deltas.
      let entry = unsafe table + Int(code)
      let bits = unsafe deltas.loadUnaligned(as: UInt64.self) & entry.pointee.mask
      let delta = unsafe (bits ^ entry.pointee.sign) &- entry.pointee.sign
      let base = unsafe Int(entry.pointee.base) &+ (context & Int(entry.pointee.contextMask))
      let address = unsafe addresses[base] &+ delta
      unsafe addresses[context] = address
      unsafe addresses[Int(entry.pointee.target)] = address
      unsafe deltas += Int(entry.pointee.length)
      unsafe target.storeBytes(of: address, toByteOffset: done &* 16, as: UInt64.self)
      unsafe target.storeBytes(of: entry.pointee.half | mode, toByteOffset: done &* 16 &+ 8, as: UInt64.self)
      // A branch, not a choice of values: the next context must not have to wait for a load's or store's address.
      if code < LiteralCode.firstFetch {
        context = (context &+ 1) & (AddressContext.followCount - 1)
      } else {
        context = Int(truncatingIfNeeded: AddressContext.hash(address))
      }
      done &+= 1
    }
    unsafe (self.context, self.deltas) = unsafe (context, deltas)
    return done
  }
}
