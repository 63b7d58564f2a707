extension Command {
  static var overview: String {
    """
    memlab: replay address traces of a recorded kernel under several ways of virtualizing the MMU, and count what
    each one costs.

      memlab replay TRACE…    run traces under one or several modes, report the counters
      memlab host HOST.json   run several virtual machines that share one host's memory
      memlab compare TRACE…   run traces under all modes, report each mode's costs beside native's
      memlab sweep PLAN.json  replay every combination of traces, machines, settings and modes; can be interrupted
      memlab merge FILE…      put the parts of a sweep together
      memlab report FILE…     make a page of the CSV files of replays, sweeps and series
      memlab reuse TRACE…     the TLB misses of every size of TLB, in one pass
      memlab strip TRACE -o F write the trace without the accesses that a sweep's machines do not notice
      memlab walk TRACE ADDR  show every step of one address's translation at one place of a trace
      memlab inspect TRACE…   show what a trace holds
      memlab explain NAME     say what a counter, cause, key, mode or figure of a machine means
      memlab convert IN OUT   turn a trace into the binary or the text form
      memlab record -o F -- … run a program under valgrind's lackey and write its trace
      memlab generate NAME    write a synthetic trace
      memlab reproduce NAME   run a published experiment again, its figures beside memlab's
      memlab modes            list the ways of virtualizing, and the settings that --set takes
      memlab machines [NAME]  list the simulated machines; with NAME, every figure of one and its source
      memlab workloads        list the synthetic traces and the settings that they take
      memlab help [COMMAND]   explain a command
      memlab help --man       the man page; --completions bash|zsh|fish: what a shell completes
      memlab --version

    A trace is a file, packed by gzip, xz or zstd or not, or - for standard input.
    Exit status: 0; 64 wrong usage, 65 bad data, 66 no input, 69 a tool is missing, 70 the guest was shown something
    else than what it saw when it was recorded, 73 an output cannot be created, 74 input or output failed.

    """
  }

  private static let compareHelp = """
    memlab compare TRACE… [OPTION…]

    Replays traces under native and other modes and reports them side by side: cycles an access and against native,
    faults, exits, TLB misses, and the three things that cost most under each mode.

      --mode M[,M…]|all     ways of virtualizing, native always among them. Default: all
      --machine NAME|FILE   simulated machine; given several times, the machines are compared too. Default: skylake
      --set KEY=VALUE, --limit N, --jobs N, --format NAME, --check, --quiet
                            as for replay
      --csv FILE|-          the comparison as CSV, one row a run; - is standard output, where then nothing else goes

    """

  private static let walkHelp = """
    memlab walk TRACE ADDRESS --at N [OPTION…]

    Replays the first N operations of a trace, then translates an address (hexadecimal) and shows every step: what the
    TLBs have, each page-table entry that the walker reads with its address, value and level, which cache answers
    instead, faults and what comes of them. In mode nested also as the grid of the textbooks.

      --at N                number of the operation before which the address is translated
      --mode MODE           one of `memlab modes`. Default: nested
      --access KIND         r, w, x: load, store, fetch in user mode; R, W, X in supervisor mode. Default: r, or R in
                            the upper half of the addresses
      --machine NAME|FILE   simulated machine; see `memlab machines`. Default: skylake
      --set KEY=VALUE       as for replay; may be given several times
      --format NAME         the trace's format (`memlab help convert`) rather than what its first bytes say
      --svg FILE|-          the walk as a picture too; under a shadow with the guest's own tables beside it

    """

  var explanation: String {
    switch self {
    case .replay: Self.replayHelp
    case .host: Self.hostHelp
    case .compare: Self.compareHelp
    case .sweep: Self.sweepHelp
    case .merge: Self.mergeHelp
    case .report: Self.reportHelp
    case .reuse: Self.reuseHelp
    case .strip: Self.stripHelp
    case .walk: Self.walkHelp
    case .inspect:
      """
      memlab inspect TRACE… [--limit N] [--format NAME]

      Shows what a trace holds: accesses, pages, page-table stores and what they change, address spaces, faults.

        --limit N        look at the first N operations only
        --format NAME    the trace's format (`memlab help convert`) rather than what its first bytes say

      """
    case .explain:
      """
      memlab explain NAME…

      Says what a name means: a column of the CSV (hidden_trace), a cause of the event log (fill), a key of --set
      (shadow.store), a mode (direct), a figure of a machine (costs.exit); its unit, the modes that it concerns, what
      lectures call it, and where in the code it is done. Any other words are looked for in all meanings.

      """
    case .convert:
      """
      memlab convert IN OUT [--to binary|text] [--format NAME]

      Writes a trace in memlab's own binary or text form. The two turn into each other without loss.

        --to NAME        the form of OUT; otherwise its extension decides: .bin or .txt. - is standard output
        --format NAME    IN's format rather than what its first bytes say

      Formats that are read: text, binary, raw (recordings of a whole system), and of one program in user mode lackey
      (valgrind --tool=lackey --trace-mem=yes, best with --trace-syscalls=yes), drmemtrace (DynamoRIO's final offline
      files, unpacked or .gz), champsim (records of 64 bytes) and list (ADDR or r|w|x,ADDR[,SIZE] a line, hexadecimal
      addresses). Those four become process traces.

      """
    case .record:
      """
      memlab record -o FILE [--to binary|text] -- PROGRAM [ARGUMENT…]

      Runs a program, and all that it starts, under valgrind's lackey (Debian's package valgrind) and writes a process
      trace: each instruction, load and store, and the calls that map, unmap and protect memory, fork, exec and exit.
      The first process is process 1. Processes that run side by side take turns. The program runs about a hundred times
      slower than alone. Ctrl-C ends it, and the trace holds what happened until then. Not recorded: what a process starts
      after it has closed the descriptors that it inherited.

        -o FILE    the trace to write; - is standard output
        --to NAME  its form; otherwise its extension decides: .bin or .txt

      Exit status: that of the program, 130 after Ctrl-C, or memlab's own.

      """
    case .generate:
      """
      memlab generate NAME [--set KEY=VALUE]… [--seed N] -o FILE [--to binary|text]

      Writes a synthetic trace; `memlab workloads` lists names and keys. The same seed gives the same trace.

        --set KEY=VALUE  change a key; K, M, G behind a number are powers of 1024; may be given several times
        --seed N         where the random numbers begin. Default: 1
        -o FILE          the trace to write; - is standard output
        --to NAME        its form; otherwise its extension decides: .bin or .txt

      """
    case .reproduce:
      """
      memlab reproduce list
      memlab reproduce NAME…|all [--seed N] [--markdown]

      Runs published experiments again: the claim, its source, the workload and machine, and each published figure beside
      memlab's with a verdict by a range that was fixed beforehand. What is missed is told, with the reason.

        list         the experiments, a line each
        --seed N     seed of the random workloads. Default: 1
        --markdown   the tables as the documentation has them

      Exit status: 0, whether figures are missed or not.

      """
    case .workloads:
      """
      memlab workloads

      Lists the synthetic traces of `memlab generate`: what each is for, and its keys with their defaults.

      """
    case .modes:
      """
      memlab modes

      Lists the ways of virtualizing the MMU for --mode, and the settings of --set with their values, default first.

      """
    case .machines:
      """
      memlab machines [NAME|FILE] [--json]

      Lists the machines for --machine. With a name: every figure with its key for --set and its source, or with --json
      the machine's file, to begin one of your own with.

      """
    case .help: Self.overview
    }
  }

  private static var replayHelp: String {
    """
    memlab replay TRACE… [options]

    Replays traces, each under each mode, side by side on the processors there are, and reports what was counted:
    a table for people on standard output, or CSV.

      --mode M[,M…]|all     ways of virtualizing; see `memlab modes`. Default: shadow
      --machine NAME|FILE   simulated machine; see `memlab machines`. Default: skylake
      --set KEY=VALUE       change one setting (`memlab modes`) or one figure of the machine (`memlab machines NAME`);
                            may be given several times, of one key the last counts
      --csv FILE|-          write the counters as CSV, one row a run; - is standard output, where then nothing else goes
      --events FILE         write a row for each fault, exit, hypercall and read-back
      --series FILE         write the counters of each --interval N operations
      --dirty-log FILE      write a row for each round of dirty logging (--set dirty-log.method=…): pages, exits, cost
      --check               check every TLB hit against the tables that were valid, and the mode's own invariants;
                            with native among the modes, the guest's final tables of the others against native's
      --limit N             stop after N operations
      --jobs N              runs at a time; default: one a processor
      --format NAME         the traces' format (`memlab help convert`) rather than what their first bytes say
      --quantum N           mode direct: the traces are domains of one machine, 0, 1, 2 …, which take turns of N
                            operations
      --memory SIZE         with --quantum, modes nested, shadow, emulated-tlb: the traces are virtual machines that
                            share so much memory, as 64M; see `memlab help host`
      --quiet               no table and no progress

    With several runs, --events, --series and --dirty-log write one file a run: MODE, and before it the trace's name if
    there are several, go before the extension, as in events-shadow.csv. A trace from a pipe is read once for all its
    modes.
    Exit status 70: the guest was shown something that it did not see when it was recorded; the report is written.

    """
  }
}
