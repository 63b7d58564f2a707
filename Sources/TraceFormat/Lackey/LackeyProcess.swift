internal import Paging

/// What a line of one process other than an access says about its memory.
enum LackeyEvent: Equatable {
  /// `file`: nil if it is none, or one that nobody knows.
  case map(address: UInt64, length: UInt64, rights: UInt16, file: LackeyFile? = nil)
  case unmap(address: UInt64, length: UInt64)
  case protect(address: UInt64, length: UInt64, rights: UInt16)
  case discard(address: UInt64, length: UInt64)
  case remap(address: UInt64, length: UInt64, newAddress: UInt64, newLength: UInt64)
  case fork(child: UInt64)
  /// The process has learnt that a child has ended.
  case reaped(child: UInt64)
  /// A program begins in a process that ran another one.
  case exec
  case exit
}

/// A place in a file that is mapped.
struct LackeyFile: Equatable {
  var path: String
  /// In bytes.
  var offset: UInt64
}

/// Reads what lackey writes of one process, but for the accesses.
struct LackeyProcess {
  /// Calls whose result is still to come, by thread.
  private var calls: [UInt64: SystemCall] = [:]
  /// The call on the line before, if that had no result: it may stand alone on this one.
  private var unfinished: SystemCall?
  /// The end of the heap, once known.
  private var heapEnd: UInt64?
  private var descriptors = OpenFiles()
  private var hasBegun = false
  private(set) var hasExited = false

  init() {}

  /// A forked process, which goes on where its parent was.
  init(childOf parent: LackeyProcess) {
    heapEnd = parent.heapEnd
    descriptors = parent.descriptors
    hasBegun = true
  }

  /// Takes a line that is no access.
  ///
  /// - Returns: what it means, mostly nothing; nil if valgrind writes no such line.
  mutating func take(_ line: Substring) -> [LackeyEvent]? {
    if line.hasPrefix(SystemCallLine.start) {
      guard let parsed = SystemCallLine(line) else { return nil }
      // A message can begin on the line of a call that has not returned: a warning, or the banner of the next program.
      guard let message = line.ranges(of: "==\(parsed.process)== ").first else { return take(parsed) }
      return (SystemCallLine(line[..<message.lowerBound]).map { take($0) } ?? [])
        + (take(line[message.lowerBound...]) ?? [])
    }
    if line.hasPrefix(" -->") {
      guard let call = unfinished, let result = SystemCallLine.result(line) else { return [] }
      unfinished = nil
      return finish(call, result)
    }
    guard let message = Self.message(line) else { return line.allSatisfy { $0 == " " } ? [] : nil }
    if message.hasPrefix("Lackey, an example Valgrind tool") {
      defer { hasBegun = true }
      (calls, unfinished, heapEnd) = ([:], nil, nil)
      descriptors.startProgram()
      return hasBegun ? [.exec] : []
    }
    if message.hasPrefix("Process terminating") { return exit() }
    return []
  }

  /// The process of a message or a system call.
  static func process(_ line: Substring) -> UInt64? {
    if line.hasPrefix(SystemCallLine.start) { return SystemCallLine(line)?.process }
    guard message(line) != nil else { return nil }
    return UInt64(line.dropFirst(2).prefix { $0 != "=" && $0 != "-" && $0 != "*" })
  }

  /// The text behind `==PID== `, `--PID-- ` or `**PID** `.
  private static func message(_ line: Substring) -> Substring? {
    for mark in ["==", "--", "**"] where line.hasPrefix(mark) {
      let rest = line.dropFirst(2)
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      guard UInt64(digits) != nil, rest.dropFirst(digits.count).hasPrefix(mark) else { return nil }
      return rest.dropFirst(digits.count + 2).drop { $0 == " " }
    }
    return nil
  }

  private mutating func take(_ line: SystemCallLine) -> [LackeyEvent] {
    hasBegun = true
    unfinished = nil
    guard let call = line.call else {
      guard let call = calls.removeValue(forKey: line.thread), let result = line.result else { return [] }
      return finish(call, result)
    }
    if let child = call.child { return [.fork(child: child)] }
    if call.number == .exitGroup { return exit() }
    guard call.number != nil else { return [] }
    if let result = line.result { return finish(call, result) }
    calls[line.thread] = call
    unfinished = call
    return []
  }

  private mutating func exit() -> [LackeyEvent] {
    if hasExited { return [] }
    hasExited = true
    return [.exit]
  }

  /// A call has returned.
  private mutating func finish(_ call: SystemCall, _ result: SystemCall.Result) -> [LackeyEvent] {
    guard case .success(let value) = result else { return [] }
    let arguments = call.arguments + Array(repeating: 0, count: 6)
    let (address, length) = (arguments[0], arguments[1])
    switch call.number {
    case .mmap: return mapped(arguments, at: value)
    case .mprotect:
      return length == 0 ? [] : [.protect(address: address, length: length, rights: Self.rights(arguments[2]))]
    case .munmap: return length == 0 ? [] : [.unmap(address: address, length: length)]
    case .brk: return setHeapEnd(value)
    case .mremap: return remapped(from: address, length, to: value, arguments[2], flags: arguments[3])
    case .madvise:
      // MADV_DONTNEED (mman-common.h). The lazier MADV_FREE takes nothing as long as memory is not short.
      return arguments[2] == 4 && length > 0 ? [.discard(address: address, length: length)] : []
    case .wait4: return value == 0 ? [] : [.reaped(child: value)]
    default:
      descriptors.finish(call, value)
      return []
    }
  }

  private func mapped(_ arguments: [UInt64], at address: UInt64) -> [LackeyEvent] {
    if arguments[1] == 0 { return [] }
    // MAP_ANONYMOUS, MAP_SHARED and MAP_SHARED_VALIDATE (mman-common.h, mman.h).
    let isFile = arguments[3] & 0x20 == 0
    var rights = Self.rights(arguments[2])
    if isFile { rights |= Operation.fileMapping }
    if arguments[3] & 1 != 0 { rights |= Operation.sharedMapping }
    let path = isFile ? descriptors.path(of: arguments[4]) : nil
    let file = path.map { LackeyFile(path: $0, offset: arguments[5]) }
    return [.map(address: address, length: arguments[1], rights: rights, file: file)]
  }

  private mutating func setHeapEnd(_ end: UInt64) -> [LackeyEvent] {
    defer { heapEnd = end }
    // Whole pages: what the last one holds already stays.
    guard let old = heapEnd.flatMap(Self.roundedUp), let new = Self.roundedUp(end), old != new else { return [] }
    return new > old
      ? [.map(address: old, length: new - old, rights: 6)] : [.unmap(address: new, length: old - new)]
  }

  private func remapped(
    from old: UInt64, _ oldLength: UInt64, to new: UInt64, _ newLength: UInt64, flags: UInt64
  ) -> [LackeyEvent] {
    guard let before = Self.roundedUp(oldLength), let after = Self.roundedUp(newLength), before > 0, after > 0 else {
      return []
    }
    if old == new && before == after { return [] }
    let move = LackeyEvent.remap(address: old, length: before, newAddress: new, newLength: after)
    // MREMAP_DONTUNMAP (mman.h): what was there stays mapped, and is empty.
    return old != new && flags & 4 != 0 ? [move, .map(address: old, length: before, rights: 6)] : [move]
  }

  private static func roundedUp(_ number: UInt64) -> UInt64? {
    number > UInt64.max - 0xfff ? nil : (number + 0xfff) & ~0xfff
  }

  /// PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4 (mman-common.h) as a trace has them.
  private static func rights(_ protection: UInt64) -> UInt16 {
    (protection & 1 != 0 ? 4 : 0) | (protection & 2 != 0 ? 2 : 0) | (protection & 4 != 0 ? 1 : 0)
  }
}
