import Machine
import Paging

/// One trace that takes turns, and how far it is.
final class TurnReplay {
  private let pass: Pass
  private var source: OperationSource
  private var runner: Runner
  private var batch = OperationBatch()
  /// The next operation of the batch.
  private var next = 0
  private var decoding = Duration.zero
  private(set) var operations: UInt64 = 0
  private(set) var hasEnded = false

  init(_ pass: Pass, on place: SharedMachine.Place) throws(Failure) {
    self.pass = pass
    do {
      source = try pass.source()
      runner = try Runner(pass.members[0], of: pass, guest: source.header.guest, on: place)
    } catch {
      throw pass.failure(error)
    }
  }

  var fraction: Double? { source.fraction }
  var counters: Counters { runner.counters }

  /// The machine waits for memory instead of its turn.
  func waits() throws(Failure) -> Bool {
    do {
      return try runner.waits()
    } catch {
      throw pass.failure(error)
    }
  }

  func takeTurn(of quantum: UInt64) throws(Failure) {
    do {
      var rest = quantum
      while rest > 0, try hasOperations() {
        let end = min(batch.count, next + Int(clamping: rest))
        try runner.replay(batch, next..<end)
        rest -= UInt64(end - next)
        operations += UInt64(end - next)
        next = end
      }
    } catch {
      throw pass.failure(error)
    }
  }

  /// Reads on if nothing is left; false at the end.
  private func hasOperations() throws -> Bool {
    if next < batch.count { return true }
    let start = ContinuousClock.now
    defer { decoding += ContinuousClock.now - start }
    next = 0
    let room = Int(clamping: (pass.command.limit ?? .max) - operations)
    hasEnded = try room == 0 || !source.read(into: &batch)
    batch.count = hasEnded ? 0 : min(batch.count, room)
    return !hasEnded
  }

  func outcome() throws(Failure) -> Outcome {
    do {
      return try runner.outcome(decoding: decoding)
    } catch {
      throw pass.failure(error)
    }
  }
}
