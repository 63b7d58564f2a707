import Glibc
import Paging
import TraceFormat

/// Reads the fuzzer's bytes as a trace: the first one says in which spelling, or that it is to be recognised. It has to end with operations or with an
/// error, without a trap and without touching memory that is not the reader's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTraceReader(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let spellings = TraceSpelling.allCases
  let choice = Int(bytes[0]) % (spellings.count + 1)
  let spelling = choice < spellings.count ? spellings[choice] : nil
  let path = "/dev/shm/memlab-fuzz-\(getpid())"
  let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
  var done = 1
  while done < count { done += write(file, bytes + done, count - done) }
  close(file)
  defer { unlink(path) }
  do throws(TraceError) {
    var reader = try TraceReader(path: path, format: spelling)
    var batch = OperationBatch()
    while try reader.read(into: &batch) {
      for index in 0..<batch.count { _ = batch.payload(of: batch.operations[index]) }
    }
  } catch {}
  return 0
}
