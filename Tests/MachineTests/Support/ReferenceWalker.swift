/// A page walk written from SDM 3A 4.5 to 4.8 and nothing else: own bits, own rights, no code of the machine.
struct ReferenceWalker {
  var levels = 4
  var maxPhysicalAddressBits: UInt64 = 46
  var writeProtect = true
  var noExecuteEnable = true
  var smep = false
  /// CR4.SMAP with EFLAGS.AC clear.
  var smap = false

  struct Request: Hashable {
    var va: UInt64
    var user = true
    var write = false
    var fetch = false
  }

  struct Result {
    /// Nil if the access is allowed.
    var code: UInt32?
    /// Addresses of the entries read, from the top.
    var read: [UInt64] = []
    /// Physical address, if allowed.
    var pa: UInt64 = 0
    /// Level of the leaf, 0 if none was reached.
    var leafLevel = 0
    var leaf: UInt64 = 0
  }

  func walk(_ request: Request, root: UInt64, _ word: (UInt64) -> UInt64) -> Result {
    var result = Result()
    // 1.4: W, U and I/D describe the access; I/D is reported only with SMEP or NXE.
    var code: UInt32 = (request.write ? 2 : 0) | (request.user ? 4 : 0)
    if request.fetch && (smep || noExecuteEnable) { code |= 16 }
    var writable = true
    var userPage = true
    var executable = true
    var table = root
    for level in stride(from: levels, through: 1, by: -1) {
      let shift = 12 + 9 * UInt64(level - 1)
      let place = table + (request.va >> shift) % 512 * 8
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
      let isLeaf = level == 1 || (level < 4 && entry >> 7 & 1 == 1)
      table = entry & 0x000f_ffff_ffff_f000
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
