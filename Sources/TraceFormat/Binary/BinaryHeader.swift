internal import Paging

/// The HEAD section of a binary trace: what ``TraceHeader`` says.
extension TraceHeader {
  private static let guests: [Guest] = [.recorded, .scenario, .process]

  /// The section's bytes.
  var binarySection: [UInt8] {
    var payload = [UInt8(Self.guests.firstIndex(of: guest) ?? 0)]
    for note in notes {
      payload.append(string: note.key)
      payload.append(string: note.value)
    }
    return BinarySection.bytes(.head, count: notes.count, first: 0, a: payload)
  }

  /// Reads the section at the window's start, of which the checksum is good; nil if it is no header.
  init?(_ section: BinarySection, _ bytes: Span<UInt8>) {
    let start = BinaryLayout.sectionHeaderLength
    guard section.tag == .head, section.first == 0, section.lengths.b == 0, section.lengths.c == 0,
      section.lengths.d == 0, section.count <= BinaryLayout.noteCountLimit
    else { return nil }
    var cursor = ByteCursor(from: start, to: start + section.lengths.a)
    let guest = Int(cursor.byte(bytes))
    guard cursor.isGood, Self.guests.indices.contains(guest) else { return nil }
    self.init(guest: Self.guests[guest])
    for _ in 0..<section.count where cursor.isGood {
      let key = cursor.string(bytes, limit: BinaryLayout.stringLimit)
      let value = cursor.string(bytes, limit: BinaryLayout.stringLimit)
      notes.append(Note(key: key, value: value))
    }
    guard cursor.isGood, cursor.isAtEnd, problem == nil else { return nil }
  }

  /// Why no trace can have this header, or nil if one can.
  var problem: String? {
    guard notes.count <= BinaryLayout.noteCountLimit,
      notes.reduce(0, { $0 + $1.key.utf8.count + $1.value.utf8.count }) <= BinaryLayout.notesLimit
    else { return "has too many notes, expected at most \(BinaryLayout.noteCountLimit) and 2^19 bytes" }
    guard notes.allSatisfy({ CanonicalText.isKey($0.key) && CanonicalText.isLine($0.value) }) else {
      return "has a note that is no line of text, expected a key of one word and printable text"
    }
    return nil
  }
}
