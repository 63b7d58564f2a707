public import Paging

/// One row of the event log: a fault, an exit, a hypercall or a read-back.
public struct Event: Hashable, Sendable {
  public enum Kind: String, Sendable {
    case trueFault = "true_fault"
    case hiddenFault = "hidden_fault"
    case exit
    case hypercall
    case load
    /// An IOMMU refuses a device a page.
    case dmaFault = "dma_fault"
    /// The modelled kernel sends a process a signal.
    case signal
  }

  /// Number of the operation that led to it.
  public var operation: UInt64
  public var cpu: Int
  public var vm = 0
  public var kind: Kind
  /// Why: the class of a hidden fault, the cause of a true one, the intercepted instruction, the hypercall.
  public var cause: String
  public var virtual: VirtualAddress?
  public var physical: PhysicalAddress?
  public var code: PageFaultCode?
  public var value: UInt64?
  public var result: String?

  public init(operation: UInt64, cpu: Int, kind: Kind, cause: String) {
    self.operation = operation
    self.cpu = cpu
    self.kind = kind
    self.cause = cause
  }
}

/// A place where the guest met something that the recorded machine, or the architecture, did not show it.
public struct Divergence: Hashable, Sendable {
  public var operation: UInt64
  public var expected: String
  public var found: String
  public init(operation: UInt64, expected: String, found: String) {
    self.operation = operation
    self.expected = expected
    self.found = found
  }
}

/// A trace asks for something that the machine cannot do; the replay ends.
public struct ReplayError: Error, Hashable, Sendable {
  /// Number of the operation; nil if no operation is to blame, but the settings, or the machine.
  public var operation: UInt64?
  /// What was found and what was expected, in one line.
  public var message: String
  public init(operation: UInt64?, message: String) {
    self.operation = operation
    self.message = message
  }
}

extension ReplayError: CustomStringConvertible {
  public var description: String { operation.map { "operation \($0): \(message)" } ?? message }
}
