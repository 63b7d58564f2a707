import Glibc
import Sweeps
import TraceFormat

extension SweepOrigin {
  /// The memlab that is running.
  static var current: SweepOrigin {
    let program = "/proc/self/exe"
    return SweepOrigin(
      version: Command.version, revision: revision(ofProgram: resolved(program)) ?? "",
      build: (try? ContentChecksum.ofFile(program)) ?? "")
  }

  /// The commit that is checked out around a program that lies in its package's `.build`.
  private static func revision(ofProgram path: String) -> String? {
    let steps = path.split(separator: "/")
    guard let build = steps.lastIndex(of: ".build") else { return nil }
    let git = "/" + steps[..<build].joined(separator: "/") + "/.git"
    guard let folder = gitFolder(git), let head = line(folder + "/HEAD") else { return nil }
    guard let reference = value(head, after: "ref: ") else { return head }
    // A second work tree has its own HEAD, and its branches in the first one's folder.
    let common = line(folder + "/commondir").map { $0.hasPrefix("/") ? $0 : folder + "/" + $0 } ?? folder
    if let commit = line(common + "/" + reference) { return commit }
    let packed = (try? FileText.text(common + "/packed-refs")) ?? ""
    return packed.split(separator: "\n").first { $0.hasSuffix(" " + reference) }.map { String($0.prefix { $0 != " " }) }
  }

  /// `.git` is the folder, or in a second work tree a file that names it.
  private static func gitFolder(_ path: String) -> String? {
    if let text = line(path) { return value(text, after: "gitdir: ") }
    // SAFETY: the path lives through the call.
    return unsafe access(path + "/HEAD", R_OK) == 0 ? path : nil
  }

  private static func line(_ path: String) -> String? {
    (try? FileText.text(path))?.split(separator: "\n").first.map(String.init)
  }

  private static func value(_ line: String, after prefix: String) -> String? {
    line.hasPrefix(prefix) ? String(line.dropFirst(prefix.count)) : nil
  }

  private static func resolved(_ path: String) -> String {
    // SAFETY: with no buffer given, realpath returns one of its own that is ours to free.
    guard let resolved = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
