/// The sizes of page that 4- and 5-level paging maps (SDM 3A 4.5.1); the raw value is the level of the leaf entry.
public enum PageSize: UInt8, CaseIterable, Comparable, Sendable {
  case small = 1
  case large = 2
  case huge = 3

  /// Level of the table whose entry maps a page of this size: 1 = PT, 2 = PD, 3 = PDPT.
  @inlinable public var level: Int { Int(rawValue) }
  /// log2 of the size in bytes: 12, 21, 30.
  @inlinable public var shift: UInt64 { 3 + 9 * UInt64(rawValue) }
  /// log2 of the size in 4 KiB pages: 0, 9, 18.
  @inlinable public var pageShift: UInt64 { 9 * UInt64(rawValue) - 9 }
  /// Size in 4 KiB pages: 1, 512, 262,144.
  @inlinable public var pages: UInt64 { 1 << pageShift }
  /// Number of the first 4 KiB page of the page of this size that holds page number `page`.
  @inlinable public func first(_ page: UInt64) -> UInt64 { (page &>> pageShift) &<< pageShift }
  /// "4K", "2M", "1G".
  public var name: String { ["4K", "2M", "1G"][Int(rawValue) - 1] }

  @inlinable public init?(level: Int) { self.init(rawValue: UInt8(truncatingIfNeeded: level)) }
  public init?(name: String) {
    guard let size = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = size
  }
  @inlinable public static func < (a: PageSize, b: PageSize) -> Bool { a.rawValue < b.rawValue }
}
