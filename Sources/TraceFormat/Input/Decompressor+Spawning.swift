internal import Glibc

extension Decompressor {
  /// Makes the two ends of the channel between memlab and the program.
  static func makeChannel(file: String) throws(TraceError) -> (own: FileDescriptor, program: FileDescriptor) {
    var sockets: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    // SAFETY: the call fills an array of two numbers.
    guard unsafe socketpair(AF_UNIX, kind, 0, &sockets) == 0 else {
      throw TraceError(.inputOutput, file: file, "cannot make a socket: \(systemMessage())")
    }
    return (FileDescriptor(owning: sockets[0]), FileDescriptor(owning: sockets[1]))
  }

  /// Starts the program with its messages dropped: memlab reports in its own words.
  static func spawn(
    _ compression: Compression, on channel: FileDescriptor, file: String
  ) throws(TraceError) -> pid_t {
    // SAFETY: the actions are initialised here, used by this function only, and destroyed at its end; descriptors and
    // strings outlive the calls.
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, channel.number, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, channel.number, 1)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([compression.program] + compression.arguments).map {
      unsafe strdup($0)
    }
    defer { unsafe words.forEach { unsafe free($0) } }
    unsafe words.append(nil)
    var process: pid_t = 0
    let code = unsafe posix_spawnp(&process, compression.program, &actions, nil, words, environ)
    guard code == 0 else {
      let program = compression.program
      throw code == ENOENT || code == EACCES
        ? TraceError(.unavailable, file: file, "needs the program \(program), which is not installed")
        : TraceError(.inputOutput, file: file, "cannot start \(program): \(systemMessage(code))")
    }
    return process
  }
}
