/// What a trace says about itself before its first operation.
public struct TraceHeader: Hashable, Sendable {
  /// Whose page tables and faults the trace carries.
  public enum Guest: String, CaseIterable, Sendable {
    /// A system trace of a real machine: a fault may come only where the trace has one.
    case recorded
    /// A hand-written system trace: an access that faults is delivered and abandoned.
    case scenario
    /// User-mode accesses and process operations: a modelled kernel supplies tables and faults.
    case process
  }

  public struct Note: Hashable, Sendable {
    public var key: String
    public var value: String
    public init(key: String, value: String) {
      self.key = key
      self.value = value
    }
  }

  public var guest: Guest
  /// Provenance, filter, IDT base and the like, in order; nothing that a replay depends on.
  public var notes: [Note]

  public init(guest: Guest = .scenario, notes: [Note] = []) {
    self.guest = guest
    self.notes = notes
  }
}
