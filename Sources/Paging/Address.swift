/// The address space of a program: what instructions and `INVLPG` name.
public enum VirtualSpace {}
/// The address space that a guest takes for RAM: what its page tables and its CR3 name.
public enum PhysicalSpace {}
/// The address space of the real RAM: what the hypervisor's tables, and the hardware in the end, name.
public enum MachineSpace {}

/// An address in one of the three spaces; mixing two of them does not compile.
public struct Address<Space>: Hashable, Sendable {
  public var raw: UInt64
  @inlinable public init(_ raw: UInt64) { self.raw = raw }
  /// The 4 KiB page that holds the address.
  @inlinable public var page: PageNumber<Space> { PageNumber(raw >> 12) }
  /// The offset within the 4 KiB page, in bytes.
  @inlinable public var offset: UInt64 { raw & 0xfff }
}

/// A page number, always in units of 4 KiB, for large pages too.
public struct PageNumber<Space>: Hashable, Sendable {
  public var raw: UInt64
  @inlinable public init(_ raw: UInt64) { self.raw = raw }
  /// The address of the page's first byte.
  @inlinable public var address: Address<Space> { Address(raw << 12) }
  /// The page `count` pages further on.
  @inlinable public func advanced(by count: UInt64) -> PageNumber { PageNumber(raw &+ count) }
  /// The first 4 KiB page of the page of a size that holds this one.
  @inlinable public func first(of size: PageSize) -> PageNumber { PageNumber(size.first(raw)) }
}

public typealias VirtualAddress = Address<VirtualSpace>
public typealias PhysicalAddress = Address<PhysicalSpace>
public typealias MachineAddress = Address<MachineSpace>
/// Virtual page number.
public typealias VPN = PageNumber<VirtualSpace>
/// Physical page number: a page of what the guest takes for RAM.
public typealias PPN = PageNumber<PhysicalSpace>
/// Machine page number: a page of real RAM.
public typealias MPN = PageNumber<MachineSpace>

extension Address<VirtualSpace> {
  /// Index into the page table of a level (1 = PT … 5 = PML5): nine bits of the address each (SDM 3A 4.5).
  @inlinable public func tableIndex(level: Int) -> UInt64 { raw >> UInt64(3 + 9 * level) & 511 }

  /// Whether all bits above the translated ones equal the topmost translated one (SDM 1 3.3.7.1): bits 63…47 with four
  /// levels, 63…56 with five. An access to any other address is #GP or #SS, never #PF. With fewer levels, whether the
  /// address has 32 bits: no instruction of a 32-bit mode can name another.
  @inlinable public func isCanonical(levels: Int) -> Bool {
    if levels < 4 { return raw >> 32 == 0 }
    let unused = UInt64(52 - 9 * levels)
    return Int64(bitPattern: raw &<< unused) &>> Int64(unused) == Int64(bitPattern: raw)
  }
}
