/// Why there is no machine: what is wrong, in one line, and whose mistake it is.
public struct MachineError: Error, Hashable, Sendable {
  public enum Category: Sendable {
    /// No machine or key of that name, or a value that the key cannot take.
    case usage
    /// The file is not there or cannot be read.
    case noInput
    /// The file is there, but it does not describe a machine.
    case badData
  }

  public var category: Category
  public var message: String

  public init(_ category: Category, _ message: String) {
    self.category = category
    self.message = message
  }
}
