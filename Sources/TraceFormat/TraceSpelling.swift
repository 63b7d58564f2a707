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
  /// The text of valgrind's lackey, read only.
  case lackey
  /// DynamoRIO's drmemtrace, final offline files, read only.
  case drmemtrace
  /// ChampSim's records of 64 bytes, read only.
  case champsim
  /// Plain addresses or CSV, read only.
  case list

  /// The type that reads this spelling.
  var decoder: any TraceDecoder.Type {
    switch self {
    case .raw: RawDecoder.self
    case .text: TextDecoder.self
    case .binary: BinaryDecoder.self
    case .lackey: LackeyDecoder.self
    case .drmemtrace: DynamoRIODecoder.self
    case .champsim: ChampSimDecoder.self
    case .list: AddressListDecoder.self
    }
  }

  /// Whether memlab writes it too.
  public var isWritable: Bool { encoder != nil }

  /// Bytes of a trace that are looked at to recognise it.
  static var recognitionLength: Int { 4096 }

  /// The spelling of a trace that begins with these bytes, or nil if it is none that memlab knows.
  static func recognise(_ start: [UInt8]) -> TraceSpelling? {
    allCases.first { $0.decoder.recognises(start) }
  }
}
