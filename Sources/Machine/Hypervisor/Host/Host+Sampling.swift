internal import Paging

/// The part of a machine's memory that is in use, as samples tell: a slow average and a fast one of those before, and the
/// fast one with what the running sample has found so far. The greatest counts, so that a machine gets memory quickly
/// and loses it slowly (Waldspurger, OSDI 2002, 5.3).
struct UseEstimate {
  private var slow: Double?
  private var fast: Double?
  private var current = 0.0

  /// Weights of the latest sample; the paper names none.
  private static let (slowWeight, fastWeight) = (0.125, 0.5)

  /// Everything counts as used until a sample has been taken.
  var fraction: Double { max(slow ?? 1, fast ?? 1, current) }

  /// The running sample has found so much by now.
  mutating func note(_ found: Double) {
    current = (fast ?? found) * (1 - Self.fastWeight) + found * Self.fastWeight
  }

  /// A sample has ended.
  mutating func end(_ found: Double) {
    note(found)
    fast = current
    slow = (slow ?? found) * (1 - Self.slowWeight) + found * Self.slowWeight
  }
}

extension Host {
  /// At the end of a machine's turn: looks at its sample, and takes another when it is time.
  func sample(_ number: Int) {
    let machine = members[number].machine
    let (size, touched) = (members[number].sampleSize, machine.touchedPages)
    if size > 0 { members[number].use.note(Double(touched) / Double(size)) }
    let operations = machine.operations
    guard operations - members[number].sampledAt >= settings.samplePeriod else { return }
    members[number].sampledAt = operations
    if size > 0 { members[number].use.end(Double(touched) / Double(size)) }
    members[number].sampleSize = machine.takeSample(settings.sampleSize, &random)
  }

  /// The part of a machine's memory that it uses, as far as the host knows.
  public func activeFraction(_ number: Int) -> Double { members[number].use.fraction }
}
