extension Definitions {
  /// What a row is about, and how it went.
  static let runs: [Definition] = [
    Definition("trace", "text", "The trace that was replayed: its file name without folder and extension."),
    Definition("mode", "text", "The way in which the memory-management unit was virtualized."),
    Definition("machine", "text", "The simulated machine: its TLBs, caches of walks, and costs."),
    Definition("settings", "text", "What was set otherwise than by default, KEY=VALUE with blanks between."),
    Definition(
      "operations", "operations",
      "Operations of the trace that were carried out: accesses, table stores, register loads."),
    Definition("first_operation", "operations", "Number of the first operation of the interval, counted from 0."),
    Definition(
      "seconds", "seconds", "Wall time that memlab took for the run, decoding included. Not simulated time."),
    Definition(
      "operations_per_second", "operations a second", "How fast memlab replayed the trace. Not simulated speed."),
    Definition(
      "divergences", "divergences",
      "Places where the guest met something that the recorded machine, or native, did not show it. Must be 0."),
    Definition(
      "stale_hits", "hits",
      "TLB hits on entries that the guest had changed without flushing, which the architecture allows. Counted with "
        + "--check only."),
  ]

  /// What a sweep's rows have on top: the point, and what it takes to repeat it.
  static let points: [Definition] = [
    Definition("point", "text", "Number of the sweep's point, from 0, in the order of the plan."),
    Definition("points", "points", "Points of the whole sweep."),
    Definition("status", "text", "ok; skipped: a setting or the machine refused the point; diverged; failed."),
    Definition("reason", "text", "Why the point was skipped or failed; empty otherwise."),
    Definition("trace_path", "text", "The file of the trace as the plan names it, or the words that generate it."),
    Definition("trace_checksum", "text", "XXH64 of the trace file's bytes, hexadecimal; empty for a generated trace."),
    Definition("seed", "text", "Seed of a generated trace; empty for others."),
    Definition("limit", "operations", "Operations after which the replay stopped; empty: the whole trace."),
    Definition("checks", "text", "1 if the replay checked itself, as with --check."),
    Definition(
      "plan_checksum", "text", "XXH64 of the plan's meaning and its machines' figures, the same in all shards."),
    Definition("version", "text", "The version of memlab that made the row."),
    Definition("revision", "text", "The git commit of the checkout in which memlab was built; empty if not known."),
    Definition("build", "text", "XXH64 of the memlab program itself: rows with the same one came from the same code."),
  ]
}
