extension TraceSpelling {
  /// The type that writes this spelling, nil if it is read only.
  var encoder: (any TraceEncoder.Type)? {
    switch self {
    case .raw: nil
    case .text: TextEncoder.self
    case .binary: BinaryEncoder.self
    }
  }
}
