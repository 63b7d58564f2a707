internal import Paging

/// Decodes the blocks of version 1 of the binary form into batches.
///
/// A section BLCK has 1…4096 operations; A are codes, B details, C deltas, and D is empty. Blocks are independent of each
/// other. Decoding needs:
///
/// - `follow`: 1024 addresses; `context`: an index into it. `follow[context]` is the address that came last time after
///   what came just now. Each access stores its address there; then a fetch sets `context` to the top 10 bits of
///   address × 9e3779b97f4a7c15 modulo 2^64, a load or store adds 1 to it (modulo 1024).
/// - six `recent` data addresses, the last fetch's address `fetched`, and the mode, user or supervisor.
///
/// All begin as 0 (supervisor mode). Codes, details and deltas are those of spans (``BinaryLayout``), but for
///
/// ```
/// 0...167    load or store: 84 × (0 load, 1 store) + 21 × log2 size (0...3) + form; the address is
///            form 0 to 2    follow[context] + a delta of 0, 1 or 2 bytes
///            form 3 + 3 × r + l    recent[r] + a delta of 1, 2 or 4 bytes (l = 0, 1, 2); sets recent[r]
/// 168...247  fetch: 168 + 4 × instructions (0...19) + form; sets `fetched`; the address is
///            form 0         follow[context]
///            form 1 to 3    `fetched` + a delta of 1, 2 or 4 bytes
/// 249        as in spans, with r from 0 to 5
/// 251        none
/// ```
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
      section.lengths.a >= count, section.lengths.a <= 2 * count, section.lengths.d == 0
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
    case LiteralCode.modeChange:
      progress.mode ^= 1
      return true
    case LiteralCode.farAccess:
      guard var access = details.farAccess(bytes, recentCount: AddressContext.recentCount) else { return false }
      access.operation.flags = Operation.Flags(rawValue: progress.mode)
      batch.append(access.operation)
      let isFetch = access.operation.kind == .fetch
      let slot = isFetch ? AddressContext.fetched : AddressContext.recent + access.slot
      context.note(access.operation.address, isFetch: isFetch, slot: slot)
    case LiteralCode.other:
      guard let operation = details.operation(bytes, payloadIn: &batch) else { return false }
      batch.append(operation)
    default: return false
    }
    progress.operations += 1
    return true
  }
}
