import Paging
import Sweeps
import TraceFormat
import Workloads

/// Where the operations of a pass come from: a trace that is read, or a workload that makes them.
struct OperationSource: ~Copyable {
  private var reader: TraceReader?
  private var workload: WorkloadStream?
  /// What it says about itself before its first operation.
  let header: TraceHeader

  init(path: String, format: TraceSpelling?) throws(TraceError) {
    let reader = try TraceReader(path: path, format: format)
    header = reader.header
    self.reader = consume reader
  }

  init(_ workload: WorkloadStream) {
    header = workload.header
    self.workload = workload
  }

  /// The share that is behind, from 0 to 1; nil if nobody knows.
  var fraction: Double? {
    switch reader {
    case .some(let reader): reader.fraction
    case .none: nil
    }
  }

  /// Fills the batch with the next operations; false at the end.
  mutating func read(into batch: inout OperationBatch) throws(TraceError) -> Bool {
    if let found = workload?.read(into: &batch) { return found }
    return try reader?.read(into: &batch) ?? false
  }
}
