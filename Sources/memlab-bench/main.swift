import Glibc

do throws(BenchmarkError) {
  if let measurement = try Measurement.requested(CommandLine.arguments) {
    print(try measurement.line())
  } else {
    try Benchmark(Array(CommandLine.arguments.dropFirst())).run()
  }
} catch {
  if !error.message.isEmpty { perrorLine("memlab-bench: \(error.message)") }
  exit(error.status)
}
