internal import Paging

/// What a line of one process other than an access says about its memory.
enum LackeyEvent: Equatable {
  case map(address: UInt64, length: UInt64, rights: UInt16)
  case unmap(address: UInt64, length: UInt64)
  case protect(address: UInt64, length: UInt64, rights: UInt16)
  case discard(address: UInt64, length: UInt64)
  case fork(child: UInt64)
  /// The process has learnt that a child has ended.
  case reaped(child: UInt64)
  /// A program begins in a process that ran another one.
  case exec
  case exit
}

/// Reads what lackey writes of one process, but for the accesses.
struct LackeyProcess {
  /// Calls whose result is still to come, by thread.
  private var calls: [UInt64: SystemCall] = [:]
  /// The call on the line before, if that had no result: it may stand alone on this one.
  private var unfinished: SystemCall?
  /// The end of the heap, once known.
  private var heapEnd: UInt64?
  private var hasBegun = false
  private(set) var hasExited = false

  init() {}

  /// A forked process, which goes on where its parent was.
  init(childOf parent: LackeyProcess) {
    heapEnd = parent.heapEnd
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
    case .mremap: return remapped(from: address, length, to: value, arguments[2])
    case .madvise:
      // MADV_DONTNEED (mman-common.h). The lazier MADV_FREE takes nothing as long as memory is not short.
      return arguments[2] == 4 && length > 0 ? [.discard(address: address, length: length)] : []
    case .wait4: return value == 0 ? [] : [.reaped(child: value)]
    default: return []
    }
  }

  private func mapped(_ arguments: [UInt64], at address: UInt64) -> [LackeyEvent] {
    // MAP_ANONYMOUS (mman-common.h).
    let file = arguments[3] & 0x20 == 0 ? Operation.fileMapping : 0
    return arguments[1] == 0
      ? [] : [.map(address: address, length: arguments[1], rights: Self.rights(arguments[2]) | file)]
  }

  private mutating func setHeapEnd(_ end: UInt64) -> [LackeyEvent] {
    defer { heapEnd = end }
    // Whole pages: what the last one holds already stays.
    guard let old = heapEnd.flatMap(Self.roundedUp), let new = Self.roundedUp(end), old != new else { return [] }
    return new > old
      ? [.map(address: old, length: new - old, rights: 6)] : [.unmap(address: new, length: old - new)]
  }

  /// There is no operation for pages that move: they are unmapped here and mapped afresh there.
  private func remapped(
    from old: UInt64, _ oldLength: UInt64, to new: UInt64, _ newLength: UInt64
  ) -> [LackeyEvent] {
    guard let before = Self.roundedUp(oldLength), let after = Self.roundedUp(newLength), before > 0, after > 0 else {
      return []
    }
    if old != new {
      return [.unmap(address: old, length: before), .map(address: new, length: after, rights: 6)]
    }
    if after > before { return [.map(address: new &+ before, length: after - before, rights: 6)] }
    return after < before ? [.unmap(address: new &+ after, length: before - after)] : []
  }

  private static func roundedUp(_ number: UInt64) -> UInt64? {
    number > UInt64.max - 0xfff ? nil : (number + 0xfff) & ~0xfff
  }

  /// PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4 (mman-common.h) as a trace has them.
  private static func rights(_ protection: UInt64) -> UInt16 {
    (protection & 1 != 0 ? 4 : 0) | (protection & 2 != 0 ? 2 : 0) | (protection & 4 != 0 ? 1 : 0)
  }
}
