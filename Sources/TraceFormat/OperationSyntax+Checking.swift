internal import Paging

extension OperationSyntax {
  /// Whether a trace can hold the operation: all that it says can be spelt, and nothing else is set.
  func accepts(_ operation: Operation, in batch: OperationBatch) -> Bool {
    let allowed: UInt8 = (hasModes ? 1 : 0) | (optional.isEmpty ? 0 : 2)
    guard operation.flags.rawValue & ~allowed == 0 else { return false }
    let present = operation.hasPayload ? fields + optional : fields
    var sizeIsFree = false
    var addressIsFree = false
    for field in present {
      switch field {
      case .address: addressIsFree = true
      case .page:
        addressIsFree = true
        guard operation.address & 0xfff == 0 else { return false }
      case .number(let limit):
        addressIsFree = true
        guard operation.address <= limit else { return false }
      case .bytes:
        addressIsFree = true
        guard operation.address > 0 else { return false }
      case .size(let range, _):
        sizeIsFree = true
        guard range.contains(operation.size) else { return false }
      case .tableLevel:
        sizeIsFree = true
        guard Self.tableLevels.contains(operation.size) else { return false }
      case .rights, .mappingRights, .direction:
        sizeIsFree = true
        guard operation.size <= (kind == .dma ? 1 : kind == .map ? 31 : 7) else { return false }
      case .word, .count: break
      case .entries: guard hasGoodTable(operation, in: batch) else { return false }
      case .text:
        let index = Int(operation.payload)
        guard index < batch.strings.count, CanonicalText.isHypercall(batch.strings[index]) else { return false }
      }
    }
    let size: UInt16 = kind == .tableStore ? 8 : 0
    return (sizeIsFree || operation.size == size) && (addressIsFree || operation.address == 0)
      && (kind == .table || hasWords(operation, in: batch))
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
