internal import Glibc

/// The socket through which all the processes of a recorded program send their text, each piece with its sender.
///
/// The kernel tells the sender of each piece (SO_PASSCRED, unix(7)) and never joins pieces of two processes. So one
/// descriptor, which forked processes and the programs that they start inherit, tells a whole tree of them apart, in the
/// order in which they wrote; and a program waits when memlab is slower than it.
final class LackeyChannel {
  enum Piece {
    case text([UInt8], process: UInt64)
    /// Nothing came within the time.
    case silence
    /// Every process has ended.
    case end
  }

  private let own: FileDescriptor
  private var program: FileDescriptor?
  private static var pieceSize: Int { 1 << 18 }

  init() throws(TraceError) {
    let ends = try Decompressor.makeChannel(file: "valgrind")
    own = ends.own
    program = ends.program
    var on: Int32 = 1
    var size: Int32 = 1 << 22
    let length = socklen_t(MemoryLayout<Int32>.size)
    // SAFETY: the numbers outlive the calls, which read them. A send buffer that is too large for the system is cut.
    let result = unsafe setsockopt(ends.own.number, SOL_SOCKET, SO_PASSCRED, &on, length)
    _ = unsafe setsockopt(ends.program.number, SOL_SOCKET, SO_SNDBUF, &size, length)
    guard result == 0 else {
      throw TraceError(.inputOutput, file: "valgrind", "cannot set up a socket: \(systemMessage())")
    }
  }

  /// The program's end, until it is given away.
  var programEnd: Int32 { program?.number ?? -1 }

  /// Keeps the program's end open in the program alone.
  func giveAway() { program = nil }

  /// The next piece, waiting for it so many milliseconds.
  func receive(timeout: Int32) throws(TraceError) -> Piece {
    var request = pollfd(fd: own.number, events: Int16(POLLIN), revents: 0)
    // SAFETY: one request, which lives through the call.
    let ready = unsafe poll(&request, 1, timeout)
    if ready == 0 || (ready < 0 && errno == EINTR) { return .silence }
    var control = [UInt64](repeating: 0, count: 8)
    var received = 0
    // SAFETY: the message names the two buffers and their sizes, which live through the call.
    let text = unsafe [UInt8](unsafeUninitializedCapacity: Self.pieceSize) { buffer, initialized in
      unsafe control.withUnsafeMutableBytes { control in
        var target = unsafe iovec(iov_base: buffer.baseAddress, iov_len: Self.pieceSize)
        unsafe withUnsafeMutablePointer(to: &target) { target in
          var message = unsafe msghdr()
          unsafe message.msg_iov = target
          unsafe message.msg_iovlen = 1
          unsafe message.msg_control = control.baseAddress
          unsafe message.msg_controllen = control.count
          received = unsafe recvmsg(own.number, &message, 0)
        }
      }
      initialized = max(received, 0)
    }
    if received == 0 { return .end }
    guard received > 0 else {
      if errno == EINTR || errno == EAGAIN { return .silence }
      if errno == ECONNRESET { return .end }
      throw TraceError(.inputOutput, file: "valgrind", "reading its text failed: \(systemMessage())")
    }
    return .text(text, process: Self.sender(control))
  }

  /// The process in a control message of kind SCM_CREDENTIALS (2): its length in 8 bytes, level and kind in 4 each, then
  /// the process in 4 (cmsg(3)).
  private static func sender(_ control: [UInt64]) -> UInt64 {
    control[1] == UInt64(2) << 32 | UInt64(SOL_SOCKET) ? control[2] & 0xffff_ffff : 0
  }
}
