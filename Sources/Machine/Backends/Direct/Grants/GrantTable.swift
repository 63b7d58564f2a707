internal import Paging

/// A domain's grant table: what it lets others do with frames of its own; and what it does itself with those of others
/// (Xen, common/grant_table.c: `struct grant_table`).
///
/// The entries are words in frames that Xen shares with the domain, which stores to them as it likes. What Xen relies on is
/// in ``active`` and ``mappings`` alone.
struct GrantTable {
  /// Layout of the entries: 1, or 2 with the flags in use in frames of their own.
  var version = 1
  /// The frames that hold the entries.
  var frames: [MPN] = []
  /// Version 2: those that hold the flags in use.
  var statusFrames: [MPN] = []
  /// Entries that are in use, by reference.
  var active: [Int: ActiveGrant] = [:]
  /// What the domain has mapped of others, by handle (Xen's maptrack).
  private(set) var mappings: [Int: GrantMapping] = [:]
  private var freeHandles: [Int] = []
  private var nextHandle = 0

  /// Frames that a table has at most (Xen's default of `gnttab_max_frames`).
  static var maximumFrames: Int { 64 }
  /// Entries that keep their contents, and may be in use, when the version changes (public/grant_table.h,
  /// GNTTAB_NR_RESERVED_ENTRIES).
  static var reservedEntries: Int { 8 }
  /// Mappings that a domain has at most (Xen's default of 1024 frames of 256 entries).
  private static var maximumMappings: Int { 1024 * 256 }

  /// Entries that there are.
  var count: Int { frames.count * entriesPerFrame }
  private var entriesPerFrame: Int { version == 1 ? 512 : 256 }
  /// Frames that the flags in use need: 2 bytes an entry.
  var statusFramesNeeded: Int { version == 1 ? 0 : (count + 2047) / 2048 }

  /// The first word of an entry, of one (version 1) or two.
  func place(of reference: Int) -> MachineAddress {
    let (frame, index) = reference.quotientAndRemainder(dividingBy: entriesPerFrame)
    return frames[frame].entryAddress(index: version == 1 ? index : index * 2)
  }

  /// The word with an entry's flags in use, and where in it they begin.
  func status(of reference: Int) -> (place: MachineAddress, shift: UInt64) {
    if version == 1 { return (place(of: reference), 0) }
    let (frame, index) = reference.quotientAndRemainder(dividingBy: 2048)
    return (statusFrames[frame].entryAddress(index: index / 4), UInt64(index % 4) * 16)
  }

  mutating func addMapping(_ mapping: GrantMapping) -> Int {
    let handle: Int
    if let free = freeHandles.popLast() {
      handle = free
    } else {
      handle = nextHandle
      nextHandle += 1
    }
    mappings[handle] = mapping
    return handle
  }

  var hasRoomForMapping: Bool { mappings.count < Self.maximumMappings }

  /// Changes what is mapped under a handle; one that maps nothing any more is free.
  mutating func setMapping(_ mapping: GrantMapping, of handle: Int) {
    if mapping.flags.isDisjoint(with: [.device, .host]) {
      mappings[handle] = nil
      freeHandles.append(handle)
    } else {
      mappings[handle] = mapping
    }
  }
}

/// What an entry says: whom it lets use which frame.
struct GrantEntry {
  var flags: GrantFlags
  var domain: DomainID
  var frame: MPN
}

/// Flags of an entry (public/grant_table.h, GTF_…).
struct GrantFlags: OptionSet, BitwiseCopyable {
  var rawValue: UInt64
  /// The bits of the type; one of them alone is an entry that permits access.
  static var type: GrantFlags { GrantFlags(rawValue: 3) }
  static var permitAccess: GrantFlags { GrantFlags(rawValue: 1) }
  static var readOnly: GrantFlags { GrantFlags(rawValue: 4) }
  static var reading: GrantFlags { GrantFlags(rawValue: 8) }
  static var writing: GrantFlags { GrantFlags(rawValue: 16) }
  /// A part of a page, which cannot be mapped.
  static var subPage: GrantFlags { GrantFlags(rawValue: 256) }
}

/// An entry in use, as Xen has it, whatever the entry says by now (`struct active_grant_entry`).
struct ActiveGrant {
  /// Who uses it.
  var domain: DomainID
  var frame: MPN
  /// Uses by the processor and by devices, to read and to write.
  var hostReads = 0
  var hostWrites = 0
  var deviceReads = 0
  var deviceWrites = 0

  var writes: Int { hostWrites + deviceWrites }
  var isUnused: Bool { writes + hostReads + deviceReads == 0 }
  /// One more use could run over: each count has 8 bits, the highest of which is never set.
  var isFull: Bool { max(max(hostReads, hostWrites), max(deviceReads, deviceWrites)) >= 128 }

  /// Counts uses of the kinds that flags name: 1 more, or -1.
  mutating func count(_ flags: GrantMapFlags, _ change: Int) {
    if flags.contains(.device) {
      if flags.contains(.readOnly) { deviceReads += change } else { deviceWrites += change }
    }
    if flags.contains(.host) {
      if flags.contains(.readOnly) { hostReads += change } else { hostWrites += change }
    }
  }
}

/// What a domain has mapped by another's grant (`struct grant_mapping`).
struct GrantMapping {
  var granter: DomainID
  var reference: Int
  /// `device` and `host`: what is still mapped.
  var flags: GrantMapFlags
}
