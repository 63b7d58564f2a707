/// What must hold whatever the machines do.
extension Host {
  /// Names what is wrong with the books: each frame is free or one machine's, and where that machine believes it to be.
  func violatedInvariant() -> String? {
    if let problem = frames.violatedInvariant() { return problem }
    var swapped = 0
    for member in members {
      member.machine.exchange(self)
      defer { member.machine.exchange(self) }
      if let problem = member.machine.violatedHostInvariant() {
        return "machine \(member.description.name): \(problem)"
      }
      swapped += member.machine.swappedPages
    }
    return swapped == frames.usedSlots ? nil : "\(swapped) pages are in \(frames.usedSlots) slots of the swap area"
  }

  /// The books with checks, as ``violatedInvariant()`` has them.
  public var problem: String? { violatedInvariant() }
}
