extension TraceSpelling {
  /// The type that writes this spelling, nil if it is read only.
  var encoder: (any TraceEncoder.Type)? {
    switch self {
    case .raw, .lackey, .drmemtrace, .champsim, .list: nil
    case .text: TextEncoder.self
    case .binary: BinaryEncoder.self
    }
  }
}
