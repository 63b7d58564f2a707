/// One step of a trace: an access, a change of the guest's tables or registers, or something delivered to the guest.
///
/// 16 bytes; what does not fit lies in ``OperationBatch/words`` or ``OperationBatch/strings``. The meaning of `address`,
/// `size` and the payload by kind:
///
/// | kind | address | size | payload |
/// |---|---|---|---|
/// | load, store | virtual | bytes | |
/// | fetch | virtual | instructions, 0: the tail of one that began on the page before | |
/// | tableStore | physical, of the entry (8 bytes; 4 if the processor's registers ask for 32-bit paging) | bytes stored, 0: a further entry of the store before | words: value [, virtual address of the access] |
/// | table | physical | level; plus ``narrowEntries``: told by 4-byte entries | words: 8 of bit map (bit j of word i = entry 64 i + j), then the non-zero entries |
/// | tableGone | physical | level | |
/// | loadCR3, loadCR0, loadCR4, loadEFER | the value | | |
/// | invlpg | virtual | | |
/// | invpcid | virtual | type | words: PCID |
/// | fault | virtual (CR2) | | words: error code [, RIP] |
/// | interrupt | | vector | words: error code, RIP (if `hasPayload`) |
/// | mark | | | |
/// | readBack | physical | | |
/// | hypercall | | | string: name and arguments, one blank between two |
/// | cpu, vm | number | | |
/// | ram | bytes | | |
/// | balloon | pages | | |
/// | switchProcess, exec, exit | process | | |
/// | fork | parent | | words: child |
/// | map | virtual | rights: 4 r, 2 w, 1 x; 8: a file's; 16: shared | words: length in bytes [, file, offset in it in bytes] |
/// | protect | virtual | rights: 4 r, 2 w, 1 x | words: length in bytes |
/// | unmap, discard | virtual | | words: length in bytes |
/// | content | physical | | words: tag |
/// | dma | physical | 0 read, 1 write | words: length in bytes |
/// | remap | virtual | | words: length in bytes, new virtual address, new length |
/// | folded | | | words: loads, stores, fetches |
public struct Operation: Hashable, Sendable {
  public enum Kind: UInt8, CaseIterable, Sendable {
    case load, store, fetch
    case tableStore, table, tableGone
    case loadCR3, loadCR0, loadCR4, loadEFER
    case invlpg, invpcid
    case fault, interrupt
    case mark, readBack, hypercall
    case cpu, vm, ram, balloon
    case switchProcess, fork, exec, exit
    case map, unmap, protect, discard
    case content, dma
    case remap
    /// Accesses that were left out of the trace, since the first level of any TLB that it is for answers them.
    case folded
  }

  public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Made in user mode (text: lower case). A fault's or interrupt's: it came from user mode.
    @inlinable public static var user: Flags { Flags(rawValue: 1) }
    /// A table store carries the virtual address of its access; a fault its RIP; an interrupt its code and RIP; a map the
    /// number of the file and the place in it.
    @inlinable public static var hasPayload: Flags { Flags(rawValue: 2) }
  }

  public var address: UInt64
  public var kind: Kind
  public var flags: Flags
  public var size: UInt16
  /// Index of the first payload word in ``OperationBatch/words`` (a hypercall's: in ``OperationBatch/strings``).
  public var payload: UInt32

  @inlinable public init(
    _ kind: Kind, _ address: UInt64 = 0, size: UInt16 = 0, flags: Flags = [], payload: UInt32 = 0
  ) {
    self.address = address
    self.kind = kind
    self.flags = flags
    self.size = size
    self.payload = payload
  }

  @inlinable public var isUser: Bool { flags.rawValue & 1 != 0 }
  @inlinable public var hasPayload: Bool { flags.rawValue & 2 != 0 }
  /// In the size of a `table`: its contents are told as 1024 entries of 4 bytes (32-bit paging). The payload is the same:
  /// two entries a word.
  @inlinable public static var narrowEntries: UInt16 { 8 }
  /// In the size of a `map`: what is mapped is a file.
  @inlinable public static var fileMapping: UInt16 { 8 }
  /// In the size of a `map`: stores are seen by all that have the same mapped (Linux, MAP_SHARED).
  @inlinable public static var sharedMapping: UInt16 { 16 }
  /// A load, store or fetch.
  @inlinable public var isAccess: Bool { kind.rawValue <= Kind.fetch.rawValue }
}
