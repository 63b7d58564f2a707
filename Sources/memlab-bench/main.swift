import Glibc

do throws(BenchmarkError) {
  if let measurement = try Measurement.requested(CommandLine.arguments) {
    print(try measurement.line())
  } else {
    try Benchmark(Array(CommandLine.arguments.dropFirst())).run()
  }
} catch {
  // The message goes where output does not: a half-written JSON is never taken for a whole one.
  perrorLine("memlab-bench: \(error.message)")
  exit(error.status)
}
