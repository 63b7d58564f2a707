import Machine
import MachineDescriptions
import TraceFormat

/// Why the command ends early: one line for standard error, and the exit status of `sysexits.h`.
struct Failure: Error {
  enum Status: Int32 {
    case usage = 64
    case badData = 65
    case noInput = 66
    case internalError = 70
    case cannotCreate = 73
    case inputOutput = 74
    /// Ended by a signal; nothing is said.
    case interrupted = 130
  }

  var status: Int32
  var message: String

  /// Ended by a signal, or because another thread failed.
  var isInterruption: Bool { status == Status.interrupted.rawValue }

  init(_ status: Status, _ message: String) {
    self.status = status.rawValue
    self.message = message
  }

  init(status: Int32, _ message: String) {
    self.status = status
    self.message = message
  }

  init(_ error: TraceError) {
    status = error.category.rawValue
    message = error.description
  }

  /// What a trace asked for that cannot be done. A text trace is read again, to tell the line.
  init(_ error: ReplayError, in path: String, _ format: TraceSpelling?) {
    guard let operation = error.operation else {
      self.init(.badData, "\(path): \(error.message)")
      return
    }
    let line = TraceReader.line(ofOperation: operation, path: path, format: format)
    let place = line.map { "line \($0), operation \(operation)" } ?? "operation \(operation)"
    self.init(.badData, "\(path): \(place): \(error.message)")
  }

  init(_ error: MachineError) {
    status =
      switch error.category {
      case .usage: Status.usage.rawValue
      case .noInput: Status.noInput.rawValue
      case .badData: Status.badData.rawValue
      }
    message = error.message
  }

  /// Something that does not exist, with the name that was probably meant, or else all that there are. `place` tells
  /// where they are listed, if they are too many for a line.
  static func unknown(_ what: String, _ name: String, among names: [String], listedBy place: String? = nil) -> Failure {
    let list = place ?? "there are " + names.joined(separator: ", ")
    let hint = nearestName(to: name, among: names).map { "did you mean '\($0)'?" } ?? list
    return Failure(.usage, "no \(what) '\(name)'; \(hint)")
  }
}
