import Glibc
import Sweeps

/// Names that follow from the paths of traces.
enum TraceName {
  /// The file name without folders and the extensions of traces; `-` is `stdin`.
  static func of(_ path: String) -> String { path == "-" ? "stdin" : SweepTrace.name(ofFile: path) }

  /// The path with parts put in before its extension: `events.csv` becomes `events-shadow.csv`.
  static func inserting(_ parts: [String], into path: String) -> String {
    let addition = parts.map { "-" + $0 }.joined()
    let start = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    guard let dot = path[start...].lastIndex(of: "."), dot != start else { return path + addition }
    return path[..<dot] + addition + path[dot...]
  }

  /// A pipe or the like, which can be read only once.
  static func isStream(_ path: String) -> Bool {
    if path == "-" { return true }
    var status = stat()
    // SAFETY: the path and the structure live through the call.
    return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
  }
}
