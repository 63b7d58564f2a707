/// Why a trace could not be read or written: one line for people, and a category for the exit status.
public struct TraceError: Error, Hashable, Sendable {
  /// What kind of failure it is; the raw value is the exit status of `sysexits.h` that tells it.
  public enum Category: Int32, Sendable {
    /// Something was asked for that cannot be done with this trace (EX_USAGE).
    case usage = 64
    /// The bytes are not those of a whole, well-formed trace (EX_DATAERR).
    case badData = 65
    /// The input cannot be opened (EX_NOINPUT).
    case noInput = 66
    /// A program that is needed is not installed (EX_UNAVAILABLE).
    case unavailable = 69
    /// The output cannot be created (EX_CANTCREAT).
    case cannotCreate = 73
    /// Reading or writing failed on the way (EX_IOERR).
    case inputOutput = 74
  }

  /// Where in the (unpacked) trace the failure was found.
  public enum Position: Hashable, Sendable {
    case none
    /// Byte offset from the start of the trace.
    case offset(UInt64)
    /// Line number, the first line being 1.
    case line(Int)
  }

  public var category: Category
  /// The trace's path as it was given, or `standard input` or `standard output`.
  public var file: String
  public var position: Position
  /// What is wrong and what was expected, without a full stop.
  public var message: String

  public init(_ category: Category, file: String, at position: Position = .none, _ message: String) {
    self.category = category
    self.file = file
    self.position = position
    self.message = message
  }
}

extension TraceError: CustomStringConvertible {
  /// One line such as `trace.bin: offset 1234: expected a block, found 4f4f4f4f`.
  public var description: String {
    switch position {
    case .none: "\(file): \(message)"
    case .offset(let offset): "\(file): offset \(offset): \(message)"
    case .line(let line): "\(file): line \(line): \(message)"
    }
  }
}
