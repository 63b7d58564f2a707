internal import Paging

/// Decodes blocks (``BinaryLayout``) into batches.
///
/// The loop over the accesses has no branch but the one for rare codes, and checks no bounds: a delta section cannot be
/// overrun by more than 4 bytes for each of at most 8192 codes, which the padding behind the input's window takes; that
/// the deltas end where they must is checked when the block is decoded.
struct BlockDecoder {
  /// Where in a block the decoder is.
  struct Progress {
    var operations = 0
    var codes = 0
    /// Offset in the payload.
    var deltas: Int
    /// 1 in user mode.
    var mode: UInt8 = 0
  }

  var context = AddressContext()
  private let table = AccessCode.all

  /// Decodes a block's payload to the batch, whose first operation's number is set.
  ///
  /// - Parameter payload: A, B and C, with ``ByteInput/padding`` readable bytes behind.
  /// - Returns: false if the payload is no block.
  mutating func decode(
    _ section: BinarySection, _ payload: UnsafeRawBufferPointer, into batch: inout OperationBatch
  ) -> Bool {
    let count = section.count
    guard section.payloadLength == payload.count, (1...OperationBatch.capacity).contains(count),
      section.lengths.a >= count, section.lengths.a <= 2 * count
    else { return false }
    context.reset()
    // SAFETY: the span does not outlive this call, and the caller's bytes do.
    let bytes = unsafe Span<UInt8>(_unsafeBytes: payload)
    let detailStart = section.lengths.a
    let deltaStart = detailStart + section.lengths.b
    var details = DetailDecoder(ByteCursor(from: detailStart, to: deltaStart))
    var progress = Progress(deltas: deltaStart)
    while progress.operations < count {
      unsafe decodeAccesses(&progress, upTo: count, section.lengths.a, payload, &batch.operations)
      guard progress.operations < count else { break }
      guard progress.codes < section.lengths.a else { return false }
      batch.count = progress.operations
      guard decodeRare(bytes[progress.codes], &progress, &details, bytes, &batch) else { return false }
    }
    batch.count = count
    return progress.codes == section.lengths.a && details.isFinished && progress.deltas == payload.count
  }

  /// Decodes accesses until a rare code, the last operation or the last code.
  @unsafe private mutating func decodeAccesses(
    _ progress: inout Progress, upTo count: Int, _ codeCount: Int, _ payload: UnsafeRawBufferPointer,
    _ operations: inout [Operation]
  ) {
    guard let start = payload.baseAddress else { return }
    let run = min(count - progress.operations, codeCount - progress.codes)
    // SAFETY: `run` codes lie in the payload, and `run` elements in `operations` (count <= capacity). At most 8192
    // codes move the delta position by 4 bytes each, and 8 bytes are loaded there: less than the padding.
    unsafe table.withUnsafeBufferPointer { table in
      unsafe context.addresses.withUnsafeMutableBufferPointer { addresses in
        unsafe operations.withUnsafeMutableBytes { operations in
          guard let table = table.baseAddress, let addresses = addresses.baseAddress,
            let target = operations.baseAddress
          else { return }
          var loop = unsafe AccessLoop(
            table: table, addresses: addresses, context: Int(context.context), mode: UInt64(progress.mode) << 8,
            deltas: start + progress.deltas)
          let done = unsafe loop.decode(
            run, start + progress.codes, to: target + progress.operations * MemoryLayout<Operation>.stride)
          context.context = unsafe UInt64(loop.context)
          unsafe progress.deltas = loop.deltas - start
          progress.operations += done
          progress.codes += done
        }
      }
    }
  }

  /// Decodes one code that is no near access.
  private mutating func decodeRare(
    _ code: UInt8, _ progress: inout Progress, _ details: inout DetailDecoder, _ bytes: Span<UInt8>,
    _ batch: inout OperationBatch
  ) -> Bool {
    progress.codes += 1
    switch code {
    case AccessCode.modeChange:
      progress.mode ^= 1
      return true
    case AccessCode.farAccess:
      guard var access = details.farAccess(bytes) else { return false }
      access.operation.flags = Operation.Flags(rawValue: progress.mode)
      batch.append(access.operation)
      context.note(access.operation.address, isFetch: access.operation.kind == .fetch, slot: access.slot)
    case AccessCode.other:
      guard details.operation(bytes, into: &batch) else { return false }
    default: return false
    }
    progress.operations += 1
    return true
  }
}
