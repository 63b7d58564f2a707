extension Command {
  static let sweepHelp = """
    memlab sweep PLAN.json -o FILE.csv [--jobs N] [--shard I/N] [--quiet]
    memlab sweep PLAN.json --slurm FOLDER [--shards N]
    memlab sweep PLAN.json --list [--shard I/N]

    Replays every combination of a plan's traces, machines, keys and modes, each once, side by side on the processors
    there are. Rows go to the file as they come, and into the plan's order at the end. Ended at any moment, by whatever
    means, the same command goes on where it stopped. A combination that a setting or a machine refuses gets a row with
    the reason. Each row has what it takes to repeat it.

    The plan, where all but traces has the default shown:
      {
        "traces": ["shell.bin", {"workload": "gups", "keys": {"pages": [4096, 65536]}, "seeds": [1, 2]}],
        "modes": "all",                                              or a list
        "machines": ["skylake"],                                     names or files
        "keys": {"shadow.store": ["invalidate", "update"]},          keys of --set; default: none
        "exclude": [{"mode": "native", "shadow.store": "update"}],   default: nothing
        "limit": 1000000,                                            default: whole traces
        "check": false                                               true: as replay --check
      }
    Paths are as on the command line, from the folder where memlab is called. An exclusion leaves out the points that
    have all that it names: keys, trace, mode, machine.

      -o FILE         the CSV: new, or one that this plan has written before
      --jobs N        replays at a time; default: one a processor
      --shard I/N     every Nth point only, from the Ith; for several machines. See `memlab help merge`
      --slurm FOLDER  write a Slurm array job, a task a shard, instead of replaying
      --shards N      tasks of the job. Default: 16, or the points if they are fewer
      --list          show the points instead of replaying
      --quiet         no progress and no last line

    Exit status: 65 if a trace is damaged or the file is of another plan, 70 if a replay diverged.

    """

  static let reportHelp = """
    memlab report FILE.csv… -o FILE.html

    Makes one page of what replays, sweeps and series have written (--csv, --series, memlab sweep -o): what was run,
    counts and cycles by mode as pictures, series over time, tables that sort, and the definition of every figure. The
    page needs no network and no other file, follows the reader's choice of light or dark, and prints.

      -o FILE  the page to write; - is standard output

    """

  static let mergeHelp = """
    memlab merge FILE.csv… -o ALL.csv [--partial]

    Puts the files of a sweep's shards together, in the order of the plan. They must be of the same plan and the same
    traces, and no point may have two rows.

      -o FILE    the CSV to write; - is standard output
      --partial  points may be missing

    """
}
