/// The spellings of a trace that memlab knows; the raw value is the name that `--format` takes.
///
/// To add one: a decoder in a file of its own, a case here, and a line in `decoder`.
public enum TraceSpelling: String, CaseIterable, Sendable {
  /// Recordings of a whole system (`.mlt`), read only.
  case raw
  /// memlab's text form, for people and tests.
  case text
  /// memlab's binary form: compact, checked, seekable.
  case binary

  /// The type that reads this spelling.
  var decoder: any TraceDecoder.Type {
    switch self {
    case .raw: RawDecoder.self
    case .text: TextDecoder.self
    case .binary: BinaryDecoder.self
    }
  }

  /// The spelling of a trace that begins with these bytes, or nil if it is none that memlab knows.
  static func recognise(_ start: [UInt8]) -> TraceSpelling? {
    allCases.first { start.starts(with: $0.decoder.magic) }
  }
}
