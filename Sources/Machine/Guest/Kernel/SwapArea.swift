/// Pages on disk that memory was too short for.
struct SwapArea {
  private struct Slot {
    /// Entries that name the slot.
    var references: UInt32
    var contents: UInt64
  }

  /// Pages that it holds at most.
  let capacity: Int
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []

  init(capacity: Int) { self.capacity = capacity }

  /// How many entries name each slot.
  var references: [UInt32] { slots.map(\.references) }

  var isFull: Bool { freeSlots.isEmpty && slots.count >= capacity }

  /// Puts a page in a slot, which must be free; as many entries will name it.
  mutating func store(_ contents: UInt64, references: UInt32) -> Int {
    let slot = Slot(references: references, contents: contents)
    if let index = freeSlots.popLast() {
      slots[index] = slot
      return index
    }
    slots.append(slot)
    return slots.count - 1
  }

  func contents(of slot: Int) -> UInt64 { slots[slot].contents }

  mutating func retain(_ slot: Int) { slots[slot].references += 1 }

  mutating func release(_ slot: Int) {
    precondition(slots[slot].references > 0, "swap slot \(slot) is given back twice")
    slots[slot].references -= 1
    if slots[slot].references == 0 { freeSlots.append(slot) }
  }
}
