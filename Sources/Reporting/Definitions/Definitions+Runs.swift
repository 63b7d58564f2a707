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

  /// What a sweep's rows have on top, so that each can be repeated.
  static let points: [Definition] = [
    Definition("point", "text", "Number of the sweep's point, from 0, in the order of the plan."),
    Definition("status", "text", "ok; skipped if a setting or the machine refused the point; diverged; failed."),
    Definition("reason", "text", "Why the point was skipped or failed; empty otherwise."),
    Definition("trace_path", "text", "The file of the trace, as the plan names it."),
    Definition("trace_checksum", "text", "XXH64 of the trace file's bytes, hexadecimal."),
    Definition("limit", "operations", "Operations after which the replay stops; empty: the whole trace."),
    Definition("seed", "text", "Seed of the synthetic trace; empty for a trace that was there."),
    Definition("plan_checksum", "text", "XXH64 of the plan's meaning: the same in all shards of a sweep."),
    Definition("version", "text", "The version of memlab that made the row, with the git revision if it is known."),
  ]
}
