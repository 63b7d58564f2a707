/// Why there is no plan: what is wrong with it and what was expected, in one line.
public struct PlanError: Error, Hashable, Sendable {
  public var message: String

  init(_ message: String) { self.message = message }
}
