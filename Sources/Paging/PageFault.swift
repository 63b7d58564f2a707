/// The error code of a page fault (SDM 3A 4.7).
public struct PageFaultCode: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Every entry of the walk was present; the cause is rights or a reserved bit.
  @inlinable public static var present: PageFaultCode { PageFaultCode(rawValue: 1) }
  /// The access was a store.
  @inlinable public static var write: PageFaultCode { PageFaultCode(rawValue: 2) }
  /// The access was made in user mode.
  @inlinable public static var user: PageFaultCode { PageFaultCode(rawValue: 4) }
  /// A reserved bit was set in a present entry; implies `present`.
  @inlinable public static var reserved: PageFaultCode { PageFaultCode(rawValue: 8) }
  /// The access was an instruction fetch; reported with CR4.SMEP or EFER.NXE only.
  @inlinable public static var fetch: PageFaultCode { PageFaultCode(rawValue: 16) }

  /// The bits that describe the access, as the processor reports them under these controls: of a kernel at CPL 3, as a
  /// user access.
  public init(_ access: Access, under controls: PagingControls) {
    self.init(access, reportsFetch: controls.reportsFetch)
    if controls.isKernelUnprivileged { insert(.user) }
  }

  /// The bits that describe the access.
  public init(_ access: Access, reportsFetch: Bool) {
    var code: PageFaultCode = []
    if access.isStore { code.insert(.write) }
    if access.isUser { code.insert(.user) }
    if access.isFetch && reportsFetch { code.insert(.fetch) }
    self = code
  }

  /// The access that this code describes.
  public var access: Access {
    Access(contains(.fetch) ? .fetch : contains(.write) ? .store : .load, user: contains(.user))
  }
}

/// A page fault as the guest sees it: CR2 and the error code.
public struct PageFault: Hashable, Sendable {
  /// Linear address of the first byte, in the page that faults, of the access.
  public var address: VirtualAddress
  public var code: PageFaultCode
  public init(address: VirtualAddress, code: PageFaultCode) {
    self.address = address
    self.code = code
  }
}
