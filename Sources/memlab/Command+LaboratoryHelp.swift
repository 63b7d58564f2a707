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

  static let hostHelp = """
    memlab host HOST.json [OPTION…]

    Runs several virtual machines that share a host with less memory than they believe to have. A page gets a machine
    frame at its first use; when few are free, the host takes pages from the machines that pay least for theirs.

    The host, where all but memory and machines has the default shown, and of a machine all but name, trace and mode:
      {
        "memory": "64M",                    bytes, or with K, M, G
        "swap": "1G",                       the swap area; default: as large as the machines may need
        "quantum": 10000,                   operations of a turn
        "processors": 2,                    that the machines take turns on; default: one each
        "processor": "skylake",             a name or a file; see `memlab machines`
        "idleTax": 0.75,                    what idle memory pays, from 0 to below 1
        "samplePeriod": 100000,             a machine's operations between two samples of what it uses
        "sampleSize": 100,                  pages of a sample
        "diskCycles": 300000,               cycles that a read from the swap area takes
        "balloons": true,                   the host asks guests before it takes pages
        "reclaimRate": 16,                  pages that can be taken during a turn; default: as many as it wants
        "scannedPages": 0,                  pages looked at after each turn for others that hold the same; 0: never
        "seed": 1,                          decides which pages are taken and sampled
        "machines": [
          {"name": "web", "trace": "web.bin", "mode": "nested",   or shadow, emulated-tlb, direct
           "size": "32M",                   memory that it believes to have; default: what its trace says; mode direct
                                            must have one, and keeps it all but for what its balloon gives back
           "minimum": "64K",                that it keeps whatever happens
           "shares": 1000,                  its weight against others
           "clones": 1,                     so many of them
           "image": "web",                  machines of one image have the same files; default: the trace
           "limit": 1000000,                operations; default: all of the trace
           "foresight": false,              a recorded kernel has a balloon of pages that the trace uses no more
           "keys": {"nested.format": "npt"}}   settings of `memlab modes`; default: none
        ]
      }
    Paths of traces begin at the folder of the host's file.

      --csv FILE|-     the counters as CSV, one row a machine; its name stands for the trace's
      --series FILE    the counters of each --interval N operations of a machine, a file each
      --timeline FILE  what each machine has after each round of turns; scripts/plot.py draws it
      --limit N        stop each machine after N operations that has no limit of its own
      --check          as for replay; and after each turn the host's own books
      --quiet          no table and no progress

    Exit status: 65 if the host's file is wrong, or if it promises more than there is; 70 if a machine diverged.

    """

  static let reuseHelp = """
    memlab reuse TRACE… [--csv FILE] [OPTION…]

    Replays traces once under native and tells the TLB misses of every size of TLB: fully associative, LRU, one level,
    with an array for each page size, those for fetches apart from those for loads and stores. What a single replay
    counts on a machine with such a TLB, for all sizes at once (LRU stack distances).

      --csv FILE|-          every size at which a count changes, a row each; scripts/plot.py draws it. - is standard
                            output, where then nothing else goes
      --machine NAME|FILE   decides what walks find: MAXPHYADDR, 1 GiB pages, PCID, five levels. Default: skylake
      --set KEY=VALUE       as for replay; may be given several times
      --limit N             stop after N operations
      --format NAME         the traces' format (`memlab help convert`) rather than what their first bytes say

    A TLB of 64 entries for pages of 4K and 32 for pages of 2M misses what the column 4K has at 64 entries, and the column
    2M at 32, and the faults.

    """

  static let stripHelp = """
    memlab strip TRACE -o FILE [--machine NAME]… [OPTION…]

    Writes a trace without the accesses that hit in the first TLB level of every machine named, under every mode named,
    and change nothing; `folded LOADS STORES FETCHES` says how many they were. Replays of it count exactly what those of
    the whole trace do, and are faster: for sweeps. Also on machines whose first-level arrays have a multiple of the sets,
    and as many ways or more.

      -o FILE               the trace to write; - is standard output
      --machine NAME|FILE   a machine of the sweep; may be given several times. Default: skylake
      --mode M[,M…]|all     the modes of the sweep. Default: all
      --set KEY=VALUE       settings of the sweep that change what a hypervisor or the machine does
      --to NAME             the form of FILE, binary or text; otherwise its extension decides
      --format NAME         the trace's format (`memlab help convert`) rather than what its first bytes say

    Operations have other numbers in it, for --events, --series, --limit and walk --at.

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
