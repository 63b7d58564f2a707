internal import Glibc

/// A program that runs under valgrind's lackey.
final class RecordedProgram {
  private let process: pid_t
  private var status: Int32?
  /// The descriptor of the channel in the program: beyond those that programs use by number.
  private static var descriptor: Int32 { 197 }

  /// Starts the program with its own standard input, output and error.
  init(_ words: [String], on channel: LackeyChannel) throws(TraceError) {
    let options = [
      "valgrind", "--tool=lackey", "--trace-mem=yes", "--trace-syscalls=yes", "--trace-children=yes",
      "--log-fd=\(Self.descriptor)",
    ]
    // SAFETY: the actions are initialised here, used by this function only, and destroyed at its end; descriptors and
    // strings outlive the calls.
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, channel.programEnd, Self.descriptor)
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe (options + words).map { unsafe strdup($0) }
    defer { unsafe arguments.forEach { unsafe free($0) } }
    unsafe arguments.append(nil)
    var process: pid_t = 0
    let code = unsafe posix_spawnp(&process, "valgrind", &actions, nil, arguments, environ)
    guard code == 0 else {
      throw code == ENOENT || code == EACCES
        ? TraceError(
          .unavailable, file: words[0], "needs the program valgrind, which is not installed (Debian's package valgrind)"
        )
        : TraceError(.inputOutput, file: words[0], "cannot start valgrind: \(systemMessage(code))")
    }
    self.process = process
    channel.giveAway()
  }

  deinit {
    if status == nil { signal(SIGKILL) }
    _ = wait()
  }

  func signal(_ number: Int32) { if status == nil { _ = kill(process, number) } }

  /// The exit status, or 128 and the number of the signal that ended it, as shells have it.
  func wait() -> Int32 {
    if let status { return status }
    var code: Int32 = 0
    // SAFETY: `code` outlives the call.
    while unsafe waitpid(process, &code, 0) == -1 && errno == EINTR {}
    let result = code & 0x7f == 0 ? code >> 8 & 0xff : 128 + (code & 0x7f)
    status = result
    return result
  }
}
