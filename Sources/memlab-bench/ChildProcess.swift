import Glibc

/// A program that is run to its end, for what it writes on standard output.
enum ChildProcess {
  /// Runs the program; its standard error is ours. Throws if it cannot be started or fails, without a message if it is
  /// this program again, which has told why.
  static func output(of program: String, _ words: [String]) throws(BenchmarkError) -> String {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw .failed("cannot make a pipe: \(reason(errno))") }
    defer { close(ends[0]) }
    let process = spawn(program, words, output: ends[1])
    let failure = errno
    close(ends[1])
    guard let process else {
      throw BenchmarkError(status: 69, message: "\(program) cannot be started: \(reason(failure))")
    }
    let text = readAll(ends[0])
    var status: Int32 = 0
    // SAFETY: the status lives through the call.
    while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
    if status != 0 {
      // The lower byte is a signal, the one above it what the program said itself.
      let code = status >> 8 & 0xff
      let ending = code == 0 ? "was ended by signal \(status & 0x7f)" : "ended with status \(code)"
      let hasTold = code != 0 && program == itself
      throw BenchmarkError(
        status: code == 0 ? 70 : code, message: hasTold ? "" : "\(program) \(ending) on \(words.last ?? "no trace")")
    }
    return text
  }

  /// This program.
  static var itself: String { "/proc/self/exe" }

  private static func reason(_ number: Int32) -> String {
    // SAFETY: strerror returns a string that is valid until the next call; it is copied at once.
    unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
  }

  private static func spawn(_ program: String, _ words: [String], output: Int32) -> pid_t? {
    // SAFETY: the actions are initialised here and destroyed at the end; the words are copies that live until they are
    // freed below, behind the call.
    unsafe withActions { actions in
      unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
      var arguments = unsafe ([program] + words).map { unsafe strdup($0) }
      defer { unsafe arguments.forEach { unsafe free($0) } }
      unsafe arguments.append(nil)
      var process: pid_t = 0
      let failure = unsafe posix_spawnp(&process, program, &actions, nil, &arguments, environ)
      errno = failure
      return failure == 0 ? process : nil
    }
  }

  private static func withActions(_ body: (inout posix_spawn_file_actions_t) -> pid_t?) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    return unsafe body(&actions)
  }

  private static func readAll(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      // SAFETY: the pointer and the count are those of one array that lives through the call.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }
}
