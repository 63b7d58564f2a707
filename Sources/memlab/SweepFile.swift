import Glibc
import Sweeps
import Synchronization

/// The CSV that a sweep writes row by row, so that it can be ended at any moment and go on later.
///
/// A row is one line, written at its end of the file by one call, and then on the disk. What a killed process left
/// behind can only be a last line without its line end, which is cut off on opening. One process at a time has the file.
final class SweepFile: Sendable {
  private let path: String
  private let descriptor: Int32
  /// The rows that were there already.
  let records: SweepRecords
  private let added = Mutex<[(point: Int, line: String)]>([])

  /// Opens or makes the file.
  init(_ path: String) throws(Failure) {
    self.path = path
    descriptor = try Self.locked(path)
    do {
      records = try Self.repaired(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Adds a row; called from any thread.
  func append(point: Int, _ line: String) throws(Failure) {
    let result = added.withLock { rows -> Result<Void, Failure> in
      do throws(Failure) {
        try Output.write(Array(line.utf8)[...], to: descriptor, name: path)
        // Some file systems know no fsync; the row is written all the same.
        if fdatasync(descriptor) != 0 && errno == EIO {
          throw Failure(.inputOutput, "\(path): \(Output.reason(errno))")
        }
        rows.append((point, line))
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Puts the rows in the order of the points, in one step, so that nobody ever sees half of it.
  func sort() throws(Failure) {
    let rows = records.records.map { (point: $0.point, line: $0.line) } + added.withLock { $0 }
    let sorted = rows.sorted { $0.point < $1.point }
    if sorted.map(\.point) == rows.map(\.point) { return }
    let file = try OutputFile(path)
    try file.write(SweepTable.header)
    for row in sorted { try file.write(row.line) }
    try file.commit()
  }

  /// The file with a lock that no other sweep has.
  private static func locked(_ path: String) throws(Failure) -> Int32 {
    while true {
      // SAFETY: the path lives through the calls, and so do the structures.
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw Failure(.cannotCreate, "\(path): \(Output.reason(errno))") }
      var (opened, named) = (stat(), stat())
      guard unsafe fstat(descriptor, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw Failure(.cannotCreate, "\(path): is no regular file, to which a sweep could come back")
      }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
        close(descriptor)
        throw Failure(.cannotCreate, "\(path): another sweep is writing to it")
      }
      // Between opening and locking, another sweep may have put its sorted rows in the place of this file.
      if unsafe stat(path, &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev {
        return descriptor
      }
      close(descriptor)
    }
  }

  /// Cuts off a torn last line, reads the rows, and writes the header into an empty file.
  private static func repaired(_ descriptor: Int32, _ path: String) throws(Failure) -> SweepRecords {
    let bytes = try FileText.bytes(of: descriptor, path)
    let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let text = String(decoding: bytes[..<whole], as: UTF8.self)
    let isTorn = whole < bytes.count
    // A file without a line end may be something else that has been named by mistake.
    if whole == 0 && isTorn && !SweepTable.header.utf8.starts(with: bytes) {
      throw Failure(.badData, "\(path): is not a sweep's CSV")
    }
    let records: SweepRecords
    do throws(SweepRecords.Problem) {
      records = try SweepRecords(text: text)
    } catch {
      throw Failure(.badData, "\(path): \(error.message)")
    }
    if isTorn && ftruncate(descriptor, off_t(whole)) != 0 {
      throw Failure(.inputOutput, "\(path): \(Output.reason(errno))")
    }
    if whole == 0 { try Output.write(Array(SweepTable.header.utf8)[...], to: descriptor, name: path) }
    return records
  }
}
