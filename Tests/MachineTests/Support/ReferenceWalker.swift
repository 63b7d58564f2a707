/// A page walk written from SDM 3A 4.3 to 4.8 and nothing else: own bits, own rights, no code of the machine.
struct ReferenceWalker {
  /// 4 or 5; 3 for PAE paging, whose pointers are then given or else read, 2 for 32-bit paging.
  var levels = 4
  /// CR4.PSE, for 32-bit paging.
  var pageSizeExtensions = true
  var maxPhysicalAddressBits: UInt64 = 46
  var writeProtect = true
  var noExecuteEnable = true
  var smep = false
  /// CR4.SMAP with EFLAGS.AC clear.
  var smap = false
  /// The kernel runs in ring 3 above a hypervisor: US means nothing, and user code has no upper half (semantics of Xen's
  /// 64-bit paravirtual guests).
  var kernelInRing3 = false

  struct Request: Hashable {
    var va: UInt64
    var user = true
    var write = false
    var fetch = false
  }

  struct Result {
    /// Nil if the access is allowed.
    var code: UInt32?
    /// Addresses of the entries read, from the top; a pointer of PAE paging is not one.
    var read: [UInt64] = []
    /// Address of the pointer of PAE paging.
    var pointer: UInt64?
    /// Physical address, if allowed.
    var pa: UInt64 = 0
    /// Level of the leaf, 0 if none was reached.
    var leafLevel = 0
    var leaf: UInt64 = 0
  }

  /// `pointers`: those of PAE paging that a register load has loaded.
  func walk(
    _ request: Request, root: UInt64, pointers: [UInt64]? = nil, _ word: (UInt64) -> UInt64
  ) -> Result {
    var result = Result()
    // 1.4: W, U and I/D describe the access; I/D is reported only with SMEP or NXE.
    var code: UInt32 = (request.write ? 2 : 0) | (request.user ? 4 : 0)
    if request.fetch && (smep || noExecuteEnable && levels > 2) { code |= 16 }
    if kernelInRing3 && request.user && request.va >> 63 == 1 {
      result.code = code
      return result
    }
    var writable = true
    var userPage = true
    var executable = true
    var table = root
    if levels == 3 {
      // 1.1: P and the address, nothing else.
      let place = root + (request.va >> 30) % 4 * 8
      result.pointer = place
      let pointer = pointers?[Int(request.va >> 30) % 4] ?? word(place)
      if pointer % 2 == 0 {
        result.code = code
        return result
      }
      table = pointer & 0x000f_ffff_ffff_f000
    }
    for level in stride(from: levels == 3 ? 2 : levels, through: 1, by: -1) {
      let shift = levels == 2 ? 12 + 10 * UInt64(level - 1) : 12 + 9 * UInt64(level - 1)
      let place = levels == 2 ? table + (request.va >> shift) % 1024 * 4 : table + (request.va >> shift) % 512 * 8
      result.read.append(place)
      let entry = word(place)
      if entry % 2 == 0 {
        result.code = code
        return result
      }
      if hasReserved(entry, level) {
        result.code = code + 1 + 8
        return result
      }
      writable = writable && entry >> 1 & 1 == 1
      userPage = userPage && entry >> 2 & 1 == 1
      executable = executable && entry >> 63 == 0
      let isLeaf = level == 1 || (level < 4 && entry >> 7 & 1 == 1 && (levels > 2 || pageSizeExtensions))
      table = entry & 0x000f_ffff_ffff_f000
      if levels == 2 && level == 2 && isLeaf {
        // 1.2, PSE-36: bits 20…13 are address bits 39…32.
        table = entry & 0xffc0_0000 | (entry >> 13 & 0xff) << 32
      }
      if isLeaf {
        let size = UInt64(1) << shift
        result.leafLevel = level
        result.leaf = entry
        result.pa = table / size * size + request.va % size
        break
      }
    }
    if refused(request, writable, userPage, executable) { result.code = code + 1 }
    return result
  }

  /// 1.2: bits that must be 0 in a present entry.
  func hasReserved(_ entry: UInt64, _ level: Int) -> Bool {
    if levels == 2 {
      let isLarge = level == 2 && pageSizeExtensions && entry >> 7 & 1 == 1
      let beyond = (entry >> 13 & 0xff) >> (min(maxPhysicalAddressBits, 40) - 32)
      return isLarge && (entry >> 21 & 1 == 1 || beyond != 0)
    }
    if levels == 3 && entry >> 52 & 0x7ff != 0 { return true }
    if (entry & 0x000f_ffff_ffff_ffff) >> maxPhysicalAddressBits != 0 { return true }
    if !noExecuteEnable && entry >> 63 == 1 { return true }
    guard entry >> 7 & 1 == 1 else { return false }
    switch level {
    case 4, 5: return true
    case 3: return entry >> 13 & 0x1_ffff != 0
    case 2: return entry >> 13 & 0xff != 0
    default: return false
    }
  }

  /// 1.3, row by row.
  private func refused(_ request: Request, _ writable: Bool, _ userPage: Bool, _ executable: Bool) -> Bool {
    if kernelInRing3 {
      if request.fetch { return !executable }
      return request.write && !writable && (request.user || writeProtect)
    }
    if request.user {
      if !userPage { return true }
      if request.fetch { return !executable }
      return request.write && !writable
    }
    if request.fetch { return !executable || (smep && userPage) }
    if smap && userPage { return true }
    return request.write && !writable && writeProtect
  }
}
