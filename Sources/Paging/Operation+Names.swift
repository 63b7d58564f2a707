extension Operation.Kind {
  /// The word that the text form has for it, of an access or a store in user mode.
  public var name: String {
    switch self {
    case .load: "r"
    case .store: "w"
    case .fetch: "x"
    case .tableStore: "pte"
    case .table: "table"
    case .tableGone: "gone"
    case .loadCR3: "cr3"
    case .loadCR0: "cr0"
    case .loadCR4: "cr4"
    case .loadEFER: "efer"
    case .invlpg: "invlpg"
    case .invpcid: "invpcid"
    case .fault: "fault"
    case .interrupt: "interrupt"
    case .mark: "mark"
    case .readBack: "load"
    case .hypercall: "hypercall"
    case .cpu: "cpu"
    case .vm: "vm"
    case .ram: "ram"
    case .balloon: "balloon"
    case .switchProcess: "switch"
    case .fork: "fork"
    case .exec: "exec"
    case .exit: "exit"
    case .map: "map"
    case .unmap: "unmap"
    case .protect: "protect"
    case .discard: "discard"
    case .content: "content"
    case .dma: "dma"
    case .remap: "remap"
    }
  }
}
