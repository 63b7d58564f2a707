import Glibc

/// Why there is no benchmark: one line, and the exit status of `sysexits.h`.
struct BenchmarkError: Error {
  var status: Int32
  var message: String

  static func usage(_ message: String) -> BenchmarkError { BenchmarkError(status: 64, message: message) }
  static func failed(_ message: String) -> BenchmarkError { BenchmarkError(status: 70, message: message) }
}

/// Writes a line on standard error.
func perrorLine(_ text: String) {
  let bytes = Array((text + "\n").utf8)
  // SAFETY: the pointer and the count are those of one array that lives through the call.
  _ = unsafe bytes.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
}
