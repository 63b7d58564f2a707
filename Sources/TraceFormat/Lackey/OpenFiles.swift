/// Which file each descriptor of a process is of, as far as system calls have told, by the path it was opened with.
struct OpenFiles {
  private struct Descriptor {
    var path: String
    /// O_CLOEXEC, FD_CLOEXEC: an exec closes it.
    var closesOnExec: Bool
  }

  private var descriptors: [UInt64: Descriptor] = [:]

  func path(of descriptor: UInt64) -> String? { descriptors[descriptor]?.path }

  mutating func startProgram() { descriptors = descriptors.filter { !$0.value.closesOnExec } }

  /// A call that went well has returned.
  mutating func finish(_ call: SystemCall, _ value: UInt64) {
    let arguments = call.arguments + Array(repeating: 0, count: 3)
    switch call.number {
    case .open, .openat:
      // O_CLOEXEC (asm-generic/fcntl.h).
      descriptors[value] = call.path.map { Descriptor(path: $0, closesOnExec: call.flags & 0o2000000 != 0) }
    case .close: descriptors[arguments[0]] = nil
    case .dup, .dup2: copy(arguments[0], to: value, closesOnExec: false)
    case .dup3: copy(arguments[0], to: value, closesOnExec: arguments[2] != 0)
    case .fcntl:
      // F_DUPFD, F_SETFD and F_DUPFD_CLOEXEC (asm-generic/fcntl.h, linux/fcntl.h).
      switch arguments[1] {
      case 0: copy(arguments[0], to: value, closesOnExec: false)
      case 2: descriptors[arguments[0]]?.closesOnExec = arguments[2] & 1 != 0
      case 1030: copy(arguments[0], to: value, closesOnExec: true)
      default: break
      }
    default: break
    }
  }

  private mutating func copy(_ old: UInt64, to new: UInt64, closesOnExec: Bool) {
    guard old != new else { return }
    descriptors[new] = descriptors[old]
    descriptors[new]?.closesOnExec = closesOnExec
  }
}
