import Paging
import XCTest

@testable import TraceFormat

/// Lackey's text as process traces.
final class LackeyTests: XCTestCase {
  private func lines(_ text: String, format: TraceSpelling? = nil) throws -> [String] {
    let directory = try TestDirectory()
    let path = try directory.write(text: text, "t.lackey")
    let trace = try Trace(path: path, format: format)
    XCTAssertEqual(trace.header.guest, .process)
    return try trace.textLines(directory)
  }

  private func error(_ text: String) throws -> String? {
    let directory = try TestDirectory()
    let path = try directory.write(text: text, "t.lackey")
    do throws(TraceError) {
      _ = try Trace(path: path, format: .lackey)
      return nil
    } catch {
      XCTAssertEqual(error.category, .badData)
      return String(error.description.dropFirst(path.count))
    }
  }

  private static let banner = """
    ==17== Lackey, an example Valgrind tool
    ==17== Command: x

    """

  func testAccesses() throws {
    let text = Self.banner + "I  0401ab70,3\n S 1fff000658,8\n L 04a1a9f4,4\n M 04a1a9f0,16\nI  04000fff,1\n"
    XCTAssertEqual(
      try lines(text), ["x 401ab70", "w 1fff000658", "r 4a1a9f4 4", "r 4a1a9f0 16", "w 4a1a9f0 16", "x 4000fff"])
  }

  /// An instruction over a page border is translated twice, each data access once in the trace (the machine splits it).
  func testPageBorders() throws {
    let text = "I  04000ffd,4\n L 04000ffc,8\nI  04000ffd,3\n M 04001ffc,8\n"
    XCTAssertEqual(try lines(text), ["x 4000ffd", "x 4001000 0", "r 4000ffc", "x 4000ffd", "r 4001ffc", "w 4001ffc"])
  }

  func testEndWithoutNewline() throws {
    XCTAssertEqual(try lines("I  1000,3\n L 2000,4"), ["x 1000", "r 2000 4"])
    XCTAssertEqual(try lines("I  1000,3"), ["x 1000"])
  }

  func testMemoryCalls() throws {
    let text = """
      SYSCALL[17,1](9) sys_mmap ( 0x0, 8192, 3, 34, 4294967295, 0 ) --> [pre-success] Success(0x4835000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x4838000, 4096, 5, 2066, 3, 4096 ) --> [pre-success] Success(0x4838000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 3, 34, 4294967295, 0 ) --> [pre-fail] Failure(0xc)\u{20}
      SYSCALL[17,1](10) sys_mprotect ( 0x4838000, 4096, 1 )[sync] --> Success(0x0)\u{20}
      SYSCALL[17,1](11) sys_munmap ( 0x483c000, 36719 )[sync] --> Success(0x0)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x0 ) --> [pre-success] Success(0x4000d00)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x4000e00 ) --> [pre-success] Success(0x4000e00)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x4021d00 ) --> [pre-success] Success(0x4021d00)\u{20}
      SYSCALL[17,1](12) sys_brk ( 0x4001000 ) --> [pre-success] Success(0x4001000)\u{20}
      SYSCALL[17,1](28) sys_madvise ( 0x4801000, 4096, 4 ) --> [async] ...\u{20}
      SYSCALL[17,2](28) sys_madvise ( 0x5801000, 4096, 8 ) --> [async] ...\u{20}
      SYSCALL[17,1](28) ... [async] --> Success(0x0)\u{20}
      SYSCALL[17,2](28) ... [async] --> Success(0x0)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 135168, 266240, 0x1 ) --> [pre-success] Success(0x4d15000)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 8192, 4096, 0x1 ) --> [pre-success] Success(0x4d15000)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 4096, 8192, 0x1 ) --> [pre-success] Success(0x5d15000)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 4096, 4000, 0x1 ) --> [pre-success] Success(0x4d15000)\u{20}
      SYSCALL[17,1](25) sys_mremap ( 0x4d15000, 4096, 4096, 0x5 ) --> [pre-success] Success(0x6d15000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 8192, 3, 33, 4294967295, 0 ) --> [pre-success] Success(0x4835000)\u{20}
      SYSCALL[17,1](231) exit_group( 0 ) --> [pre-success] Success(0x0)\u{20}

      """
    XCTAssertEqual(
      try lines(text),
      [
        "map 4835000 8192 rw", "map 4838000 4096 rxf", "protect 4838000 4096 r", "unmap 483c000 36719",
        "map 4001000 135168 rw", "unmap 4001000 135168", "discard 4801000 4096",
        "remap 4d15000 135168 4d15000 266240", "remap 4d15000 8192 4d15000 4096", "remap 4d15000 4096 5d15000 8192",
        "remap 4d15000 4096 6d15000 4096", "map 4d15000 4096 rw", "map 4835000 8192 rws", "exit 1",
      ])
  }

  /// Mappings of one file are of one file, whichever descriptor they were made with, until a descriptor is another file's.
  func testMappedFilesAreKnownByTheirPaths() throws {
    let text = """
      SYSCALL[17,1](257) sys_openat ( 4294967196, 0x4034bb0(/lib/a), b), 524288 ) --> [async] ...\u{20}
      SYSCALL[17,1](257) ... [async] --> Success(0x3)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 1, 2, 3, 8192 ) --> [pre-success] Success(0x1000)\u{20}
      SYSCALL[17,1](33) sys_dup2 ( 3, 9 )[sync] --> Success(0x9)\u{20}
      SYSCALL[17,1](3) sys_close ( 3 )[sync] --> Success(0x0)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 3, 1, 3, 0 ) --> [pre-success] Success(0x2000)\u{20}
      SYSCALL[17,1](2) sys_open ( 0x4034bb0(/lib/c), 2, 438 ) --> [async] ...\u{20}
      SYSCALL[17,1](2) ... [async] --> Success(0x3)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 3, 1, 3, 4096 ) --> [pre-success] Success(0x3000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 3, 1, 9, 0 ) --> [pre-success] Success(0x4000)\u{20}
      SYSCALL[17,1](72) sys_fcntl[ARG3=='arg'] ( 9, 1030, 10 )[sync] --> Success(0xa)\u{20}
      SYSCALL[17,1](292) sys_dup3 ( 3, 11, 524288 )[sync] --> Success(0xb)\u{20}
      ==17== Lackey, an example Valgrind tool
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 1, 2, 10, 0 ) --> [pre-success] Success(0x5000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 1, 2, 11, 0 ) --> [pre-success] Success(0x6000)\u{20}
      SYSCALL[17,1](9) sys_mmap ( 0x0, 4096, 1, 2, 9, 0 ) --> [pre-success] Success(0x7000)\u{20}

      """
    XCTAssertEqual(
      try lines(text),
      [
        "map 1000 4096 rf file 1 8192", "map 2000 4096 rwfs", "map 3000 4096 rwfs file 2 4096",
        "map 4000 4096 rwfs file 1 0", "exec 1", "map 5000 4096 rf", "map 6000 4096 rf",
        "map 7000 4096 rf file 1 0",
      ])
  }

  /// A call that the kernel does not know, a warning on a call's line, the tail of a fork: what valgrind really writes.
  func testResultsOnALineOfTheirOwn() throws {
    let text = """
      SYSCALL[17,1](334) unimplemented (by the kernel) syscall: 334! (ni_syscall)
       --> [pre-fail] Failure(0x26)\u{20}
      SYSCALL[17,1](11) sys_munmap ( 0xffff0000, 16384 )==17== Warning: client syscall munmap tried (to)
       --> [pre-fail] Failure(0x16)\u{20}
      SYSCALL[17,1](11) sys_munmap ( 0xffff0000, 4096 )==17== Warning: client syscall munmap tried (to)
       --> [pre-success] Success(0x0)\u{20}
      SYSCALL[17,1](56) sys_clone ( 1200011, 0x0, 0x0, 0x4000650, 0x0 )   clone(fork): process 17 created child 18
       --> [pre-success] Success(0x12)\u{20}
      SYSCALL[17,1](61) sys_wait4 ( 18, 0x0, 0, 0x0 ) --> [async] ...\u{20}
      SYSCALL[17,1](61) ... [async] --> Success(0x12)\u{20}
      SYSCALL[17,1](61) ... [async] --> Success(0x12)\u{20}

      """
    XCTAssertEqual(try lines(text), ["unmap ffff0000 4096", "fork 1 18", "exit 18"])
  }

  func testExec() throws {
    let text =
      Self.banner + "I  1000,1\n"
      + "SYSCALL[17,1](59) sys_execve ( 0x1298d8(/bin/true), 0x129900 )==17== Lackey, an example Valgrind tool\n"
      + "==17== Command: /bin/true\nI  2000,1\n"
    XCTAssertEqual(try lines(text), ["x 1000", "exec 1", "x 2000"])
  }

  func testErrors() throws {
    XCTAssertEqual(
      try error("I  1000,3\nI  zz,3\n"),
      ": line 2: expected an access (`I  ADDR,SIZE`, ` L`, ` S`, ` M`), a system call or a message of valgrind's, "
        + "found `I  zz,3`")
    for line in [
      "I  1000", "I  1000,", "I  1000,0", "I  1000,65536", "I  11112222333344445,3", "I 1000,3", "  L 1000,3",
      " L 1000,3 ", " X 1000,3", "SYSCALL[17,1]", "SYSCALL[17](9)", "==x== hello", "hello",
    ] {
      let message = try XCTUnwrap(error("I  1000,3\n L 2000,8\n" + line + "\n"), line)
      XCTAssertTrue(message.hasPrefix(": line 3: expected an access"), "\(line): \(message)")
    }
    XCTAssertEqual(
      try error("==17== a\n==18== b\n"),
      ": line 2: is of process 18, expected 17: one file holds one process (valgrind's --log-file=NAME.%p)")
  }

  /// Over many batches, every access is there and lines are counted.
  func testManyLines() throws {
    var text = Self.banner
    for index in 0..<30_000 {
      text += "I  \(String(0x400000 + index, radix: 16)),2\n M \(String(0x900000 + index * 8, radix: 16)),8\n"
      if index % 5000 == 7 { text += "SYSCALL[17,1](11) sys_munmap ( 0x483c000, 4096 )[sync] --> Success(0x0) \n" }
    }
    let directory = try TestDirectory()
    let trace = try Trace(path: try directory.write(text: text))
    let borders = (0..<30_000).count { (0x400000 + $0) & 0xfff == 0xfff }
    XCTAssertEqual(trace.operations.count, 90_000 + borders + 6)
    XCTAssertEqual(trace.operations.count { $0.operation.kind == .fetch && $0.operation.size == 1 }, 30_000)
    let broken = try XCTUnwrap(error(text + "?\n"))
    XCTAssertTrue(broken.hasPrefix(": line \(2 + 60_000 + 6 + 1): "), broken)
  }
}

extension Trace {
  /// The operations as the text form has them.
  func textLines(_ directory: TestDirectory) throws -> [String] {
    try write(directory("as.txt"), .text)
    let text = String(decoding: try directory.read("as.txt"), as: UTF8.self)
    return text.split(separator: "\n").map(String.init).filter {
      !$0.hasPrefix("memlab-trace") && !$0.hasPrefix("guest ") && !$0.hasPrefix("note ")
    }
  }
}
