internal import Paging

/// A device that a domain reaches through a ring: the domain has the frontend of its driver, a driver domain has the backend and
/// the device (Fraser et al., *Safe Hardware Access with the Xen Virtual Machine Monitor*, OASIS 2004).
struct SplitDevice {
  /// A request that the backend has taken.
  struct Transfer {
    var request: IORing.Request
    /// What the backend has mapped for it; nil: Xen has refused.
    var mapping: (handle: Int, frame: MPN)?
    /// The device has done what was asked for.
    var isGood = false
  }

  /// Requests that were taken together, and end so.
  struct Batch {
    /// The last operation of the guest's during which they are under way.
    var end: UInt64
    var transfers: [Transfer]
  }

  var ring: IORing
  /// The backend's level-1 table.
  let table: MPN
  /// What is under way, that which ends first first.
  var batches: [Batch] = []

  /// The grant references of the frontend's: one for each entry of the ring, and one for the ring itself. The last ones of the
  /// table's first frame, out of the way of those that a trace names.
  static var firstReference: Int { 255 }
  static var ringReference: Int { firstReference + Int(IORing.size) }

  /// The backend's level-1 entry that maps what a request in a slot names; the first one maps the ring.
  func entry(of slot: Int) -> UInt64 { table.entryAddress(index: 1 + slot).raw }
  var ringEntry: UInt64 { table.entryAddress(index: 0).raw }

  func isUnderWay(_ frame: MPN) -> Bool {
    batches.contains { $0.transfers.contains { $0.mapping?.frame == frame } }
  }
}

extension DomainID {
  /// The driver domain; no trace can name it.
  static var driver: DomainID { DomainID(limit - 1) }
}
