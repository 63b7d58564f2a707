internal import Paging

extension OperationBatch {
  /// Adds the fetch of an instruction of so many bytes in user mode; over a page border it is two, as each page is
  /// translated: the tail has a count of 0. There must be room for two operations.
  @inline(__always)
  mutating func appendFetch(_ address: UInt64, bytes: UInt64) {
    append(Operation(.fetch, address, size: 1, flags: .user))
    let last = address &+ bytes &- 1
    if last >> 12 != address >> 12 && bytes > 0 {
      append(Operation(.fetch, last & ~0xfff, size: 0, flags: .user))
    }
  }

  /// There is room for so many more operations, and for payload.
  func hasRoom(for operations: Int) -> Bool {
    count + operations <= Self.capacity && words.count < Self.payloadLimit
  }
}
