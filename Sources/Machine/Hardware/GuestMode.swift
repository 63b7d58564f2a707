internal import Paging

/// Masks of the accesses that belong to a mode of the guest.
enum GuestMode {
  static var any: UInt64 { TLBData.allowed }
  static var kernel: UInt64 { any & 0xf }
  static var user: UInt64 { any & ~kernel }
}

/// How the guest comes from one mode to the other.
enum ModeChange {
  /// From the kernel to user code.
  case toUser
  /// From user code to the kernel: by an instruction, by a page fault, by an interrupt or another exception.
  case systemCall, fault, interrupt
}
