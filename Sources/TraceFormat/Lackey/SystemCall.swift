/// A system call as valgrind's `--trace-syscalls=yes` writes it, on one line or on two.
struct SystemCall {
  /// Of x86-64 Linux (`arch/x86/entry/syscalls/syscall_64.tbl`).
  enum Number: UInt64 {
    case open = 2
    case close = 3
    case mmap = 9
    case mprotect = 10
    case munmap = 11
    case brk = 12
    case mremap = 25
    case madvise = 28
    case dup = 32
    case dup2 = 33
    case clone = 56
    case fork = 57
    case vfork = 58
    case wait4 = 61
    case fcntl = 72
    case exitGroup = 231
    case openat = 257
    case dup3 = 292
  }

  enum Result: Equatable {
    case success(UInt64)
    case failure
  }

  /// Nil: one that does nothing to memory that a trace can tell.
  var number: Number?
  var arguments: [UInt64] = []
  /// The file that the call opens, and the flags that it has for that.
  var path: String?
  var flags: UInt64 = 0
  /// The process that the call made.
  var child: UInt64?
}

/// A line `SYSCALL[PID,TID](NUMBER) …`.
struct SystemCallLine {
  var process: UInt64
  var thread: UInt64
  /// Nil: the line brings the result of a call of this thread that began on a line before.
  var call: SystemCall?
  /// Nil: the result comes later, or never.
  var result: SystemCall.Result?

  static let start = "SYSCALL["

  /// Nil if the line is not as valgrind writes it.
  init?(_ line: Substring) {
    var rest = line.dropFirst(Self.start.count)
    guard line.hasPrefix(Self.start), let process = Self.number(&rest, upTo: ","),
      let thread = Self.number(&rest, upTo: "]"), rest.popFirst() == "(", let number = Self.number(&rest, upTo: ")")
    else { return nil }
    (self.process, self.thread) = (process, thread)
    result = Self.result(rest)
    if rest.hasPrefix(" ... [async] -->") { return }
    var call = SystemCall(number: SystemCall.Number(rawValue: number))
    if call.number == .open || call.number == .openat {
      (call.path, call.flags) = Self.opened(rest)
    } else if call.number != nil {
      call.arguments = Self.arguments(rest)
      call.child = Self.child(rest)
    }
    self.call = call
  }

  /// The result at the end of a line, `Success(0x…)` or `Failure(0x…)`.
  static func result(_ line: Substring) -> SystemCall.Result? {
    guard let end = line.lastIndex(of: ")"), let start = line[..<end].lastIndex(of: "(") else { return nil }
    if line[..<start].hasSuffix("Failure") { return .failure }
    guard line[..<start].hasSuffix("Success") else { return nil }
    return value(line[line.index(after: start)..<end]).map { .success($0) }
  }

  /// The numbers in the first pair of brackets; what is no number counts as 0.
  private static func arguments(_ text: Substring) -> [UInt64] {
    guard let start = text.firstIndex(of: "("), let end = text[start...].firstIndex(of: ")") else { return [] }
    return text[text.index(after: start)..<end].split(separator: ",").map { word in
      value(word.drop { $0 == " " }.prefix { $0 != " " }) ?? 0
    }
  }

  /// `( 4294967196, 0x1ffefff640(/etc/passwd), 524288 )`: the path in the inner pair of brackets, the flags behind it.
  private static func opened(_ text: Substring) -> (path: String?, flags: UInt64) {
    guard let outer = text.firstIndex(of: "("), let end = text.ranges(of: "), ").last,
      let start = text[outer...].dropFirst().firstIndex(of: "("), start < end.lowerBound
    else { return (nil, 0) }
    let flags = text[end.upperBound...].prefix { $0 != " " && $0 != "," }
    return (String(text[text.index(after: start)..<end.lowerBound]), value(flags) ?? 0)
  }

  /// `fork: process 17 created child 18`.
  private static func child(_ text: Substring) -> UInt64? {
    let words = text.split(separator: " ")
    guard let place = words.lastIndex(of: "child"), place > 0, place + 1 < words.count, words[place - 1] == "created"
    else {
      return nil
    }
    return UInt64(words[place + 1])
  }

  private static func number(_ rest: inout Substring, upTo end: Character) -> UInt64? {
    guard let place = rest.prefix(24).firstIndex(of: end), let number = UInt64(rest[..<place]) else { return nil }
    rest = rest[rest.index(after: place)...]
    return number
  }

  private static func value(_ word: Substring) -> UInt64? {
    word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : UInt64(word)
  }
}
