internal import Paging

/// The processes of a recorded program: the first one is process 1 of the trace, others keep their numbers.
struct ProcessNumbers {
  /// The first process.
  let first: UInt64
  private var living: Set<UInt64>
  /// Numbers of files by their paths.
  private var files: [String: UInt64] = [:]

  init(first: UInt64) {
    self.first = first
    living = [first]
  }

  func isLiving(_ process: UInt64) -> Bool { living.contains(process) }

  /// The living processes but for the first.
  var children: Set<UInt64> { living.subtracting([first]) }

  /// A process whose making nobody has told.
  mutating func adopt(_ process: UInt64) { living.insert(process) }

  func number(_ process: UInt64) -> UInt64 { process == first ? 1 : process == 1 ? first : process }

  /// Adds the operation of an event of a process, which must be the one that runs. There must be room for one.
  mutating func append(_ event: LackeyEvent, of process: UInt64, to batch: inout OperationBatch) {
    switch event {
    case .map(let address, let length, let rights, let file?):
      let number = files[file.path] ?? UInt64(files.count + 1)
      files[file.path] = number
      let map = Operation(.map, address, size: rights, flags: .hasPayload)
      batch.append(map, words: [length, number, file.offset])
    case .map(let address, let length, let rights, nil):
      batch.append(Operation(.map, address, size: rights), words: [length])
    case .remap(let address, let length, let newAddress, let newLength):
      batch.append(Operation(.remap, address), words: [length, newAddress, newLength])
    case .unmap(let address, let length): batch.append(Operation(.unmap, address), words: [length])
    case .protect(let address, let length, let rights):
      batch.append(Operation(.protect, address, size: rights), words: [length])
    case .discard(let address, let length): batch.append(Operation(.discard, address), words: [length])
    case .fork(let child):
      guard living.insert(child).inserted else { return }
      batch.append(Operation(.fork, number(process)), words: [number(child)])
    case .reaped(let child): end(child, &batch)
    case .exec: batch.append(Operation(.exec, number(process)))
    case .exit: end(process, &batch)
    }
  }

  private mutating func end(_ process: UInt64, _ batch: inout OperationBatch) {
    if living.remove(process) != nil { batch.append(Operation(.exit, number(process))) }
  }
}
