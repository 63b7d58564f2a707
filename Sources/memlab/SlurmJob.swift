import Glibc

/// A Slurm array job that replays a sweep, a task a shard: the script, and a line on how to use it.
struct SlurmJob {
  let command: SweepCommand
  let folder: String
  let shards: Int

  /// Writes the files into the folder, which is made if it is not there.
  func write() throws(Failure) -> Int32 {
    // SAFETY: the path lives through the call.
    guard unsafe mkdir(folder, 0o777) == 0 || errno == EEXIST else {
      throw Failure(.cannotCreate, "\(folder): \(Output.reason(errno))")
    }
    let place = try Self.resolved(folder)
    let program = try Self.resolved("/proc/self/exe")
    let text = try script(place: place, program: program, work: try Self.resolved("."))
    for (name, text) in [("sweep.sbatch", text), ("README", readme(place: place, program: program))] {
      let file = try OutputFile(place + "/" + name)
      try file.write(text)
      try file.commit()
    }
    try Output.print(readme(place: place, program: program))
    return 0
  }

  private func script(place: String, program: String, work: String) throws(Failure) -> String {
    if place.contains("\"") || place.contains("\n") || place.contains("%") {
      throw Failure(.usage, "\(folder): Slurm takes no folder with a quote, a line feed or % in its name")
    }
    let shard = "\"$SLURM_ARRAY_TASK_ID\""
    return """
      #!/bin/bash
      # `memlab sweep` in \(shards) shards, one a task. A task that is ended and put into the queue again goes on where it
      # stopped; so does the whole job if it is submitted again.
      #SBATCH --job-name=memlab-sweep
      #SBATCH --array=1-\(shards)
      #SBATCH --cpus-per-task=1
      #SBATCH --requeue
      #SBATCH --open-mode=append
      #SBATCH --output="\(place)/shard-%a.log"
      cd \(Self.quoted(work)) || exit 66
      exec \(Self.quoted(program)) sweep \(Self.quoted(command.planPath)) \\
        -o \(Self.quoted(place))/shard-\(shard).csv --shard \(shard)/\(shards) --jobs "${SLURM_CPUS_PER_TASK:-1}"

      """
  }

  private func readme(place: String, program: String) -> String {
    """
    Submit: sbatch \(Self.quoted(place + "/sweep.sbatch"))
    When it is done: \(Self.quoted(program)) merge \(Self.quoted(place))/shard-*.csv -o \(Self.quoted(place + "/sweep.csv"))

    """
  }

  /// The word as a shell takes it for one.
  private static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "-")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "_")
    }
    if plain && !word.isEmpty { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  private static func resolved(_ path: String) throws(Failure) -> String {
    // SAFETY: with no buffer given, realpath returns one of its own that is ours to free.
    guard let resolved = unsafe realpath(path, nil) else {
      throw Failure(.noInput, "\(path): \(Output.reason(errno))")
    }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
