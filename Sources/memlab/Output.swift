import Glibc

/// Writing to file descriptors.
enum Output {
  static let standardOutput: Int32 = 1
  static let standardError: Int32 = 2

  /// Writes all the bytes. A reader that has gone is no failure: what it does not want need not be written.
  static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32, name: String) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      // SAFETY: the pointer and the count are those of one buffer that lives through the call.
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EPIPE {
        return
      } else if errno != EINTR {
        throw Failure(.inputOutput, "\(name): \(reason(errno))")
      }
    }
  }

  /// Text on standard output.
  static func print(_ text: String) throws(Failure) {
    try write(Array(text.utf8)[...], to: standardOutput, name: "standard output")
  }

  /// Text on standard error, where there is nobody to tell about a failure.
  static func complain(_ text: String) {
    try? write(Array(text.utf8)[...], to: standardError, name: "standard error")
  }

  /// Standard output is a pipe that nobody reads from any more (`| head`).
  static var readerIsGone: Bool {
    var request = pollfd(fd: standardOutput, events: Int16(POLLOUT), revents: 0)
    // SAFETY: one request, which lives through the call.
    return unsafe poll(&request, 1, 0) == 1 && request.revents & Int16(POLLERR) != 0
  }

  /// What the C library says of an error number.
  static func reason(_ number: Int32) -> String {
    // SAFETY: strerror returns a string that is valid until the next call; it is copied at once.
    let text = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
