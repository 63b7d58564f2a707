/// The addresses that a block's next one is told from: ``BlockDecoder``'s
/// `follow`, `recent` and `fetched` in one array, so that the decoder reaches any of them with one load.
struct AddressContext {
  static var followCount: Int { 1024 }
  /// Index of the first `recent` address.
  static var recent: Int { 1024 }
  static var recentCount: Int { 6 }
  static var fetched: Int { 1030 }
  /// Takes the addresses that are to go nowhere.
  static var nowhere: Int { 1031 }
  static var count: Int { 1032 }

  var addresses = [UInt64](repeating: 0, count: count)
  /// Index of the `follow` address that predicts the next access.
  var context: UInt64 = 0

  /// The context after a fetch.
  static func hash(_ address: UInt64) -> UInt64 { (address &* 0x9e37_79b9_7f4a_7c15) >> 54 }

  mutating func reset() {
    for index in addresses.indices { addresses[index] = 0 }
    context = 0
  }

  /// Takes note of an access; `slot` is the index of a `recent` address, of `fetched`, or `nowhere`.
  mutating func note(_ address: UInt64, isFetch: Bool, slot: Int) {
    addresses[Int(context)] = address
    addresses[slot] = address
    context = isFetch ? Self.hash(address) : (context + 1) & UInt64(Self.followCount - 1)
  }
}
