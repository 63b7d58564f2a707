internal import Paging

/// Which of an operation's fields mean something, by kind; what does not is neither written nor read.
struct OperationLayout {
  enum Payload { case none, words, table, string }

  var hasAddress: Bool
  var hasSize: Bool
  var payload: Payload

  init(_ operation: Operation) {
    switch operation.kind {
    case .load, .store, .fetch: self.init(true, true)
    case .tableStore: self.init(true, operation.hasPayload, .words)
    case .table: self.init(true, true, .table)
    case .tableGone: self.init(true, true)
    case .fault, .content, .fork, .unmap, .discard, .remap: self.init(true, false, .words)
    case .invpcid, .map, .protect, .dma: self.init(true, true, .words)
    case .interrupt: self.init(false, true, operation.hasPayload ? .words : .none)
    case .hypercall: self.init(false, false, .string)
    case .mark: self.init(false, false)
    case .folded: self.init(false, false, .words)
    case .loadCR3, .loadCR0, .loadCR4, .loadEFER, .invlpg, .readBack, .cpu, .vm, .ram, .balloon, .switchProcess, .exec,
      .exit:
      self.init(true, false)
    }
  }

  private init(_ hasAddress: Bool, _ hasSize: Bool, _ payload: Payload = .none) {
    self.hasAddress = hasAddress
    self.hasSize = hasSize
    self.payload = payload
  }
}
