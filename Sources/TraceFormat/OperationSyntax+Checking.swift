internal import Paging

extension OperationSyntax {
  /// Whether a trace can hold the operation: all that it says can be spelt, and nothing else is set.
  func accepts(_ operation: Operation, in batch: OperationBatch) -> Bool {
    let allowed: UInt8 = (hasModes ? 1 : 0) | (optional.isEmpty ? 0 : 2)
    guard operation.flags.rawValue & ~allowed == 0 else { return false }
    var free = (size: false, address: false)
    guard fields.allSatisfy({ accepts($0, operation, in: batch, &free) }) else { return false }
    if operation.hasPayload {
      guard optional.allSatisfy({ accepts($0, operation, in: batch, &free) }) else { return false }
    }
    let size: UInt16 = kind == .tableStore ? 8 : 0
    return (free.size || operation.size == size) && (free.address || operation.address == 0)
      && (kind == .table || hasWords(operation, in: batch))
  }

  /// The same for one field; notes that the field sets the operation's size or address.
  private func accepts(
    _ field: Field, _ operation: Operation, in batch: OperationBatch, _ free: inout (size: Bool, address: Bool)
  ) -> Bool {
    switch field {
    case .address:
      free.address = true
      return true
    case .page:
      free.address = true
      return operation.address & 0xfff == 0
    case .number(let limit):
      free.address = true
      return operation.address <= limit
    case .bytes:
      free.address = true
      return operation.address > 0
    case .size(let range, _):
      free.size = true
      return range.contains(operation.size)
    case .tableLevel:
      free.size = true
      return Self.tableLevels.contains(operation.size)
    case .rights, .mappingRights, .direction:
      free.size = true
      return operation.size <= (kind == .dma ? 1 : kind == .map ? 31 : 7)
    case .word, .count: return true
    case .entries: return hasGoodTable(operation, in: batch)
    case .text:
      let index = Int(operation.payload)
      return index < batch.strings.count && CanonicalText.isHypercall(batch.strings[index])
    }
  }

  /// What the size of a table-contents operation may be.
  static let tableLevels: [UInt16] = [1, 2, 3, 4, 5, 1 | Operation.narrowEntries, 2 | Operation.narrowEntries]

  private func hasWords(_ operation: Operation, in batch: OperationBatch) -> Bool {
    let count = batch.payloadCount(of: operation)
    return count == 0 || Int(operation.payload) + count <= batch.words.count
  }

  /// A bit map of 8 words, and as many entries, none 0, as it has bits.
  private func hasGoodTable(_ operation: Operation, in batch: OperationBatch) -> Bool {
    let first = Int(operation.payload)
    guard first + 8 <= batch.words.count else { return false }
    let count = batch.payloadCount(of: operation)
    return first + count <= batch.words.count && !batch.words[(first + 8)..<(first + count)].contains(0)
  }
}
