internal import Machine

extension Reproduction {
  static let processCreation = Reproduction(
    "process-creation",
    claim:
      "Creating processes costs least on bare hardware, little under nested, some under direct paging, most under shadow.",
    source:
      "Barham et al., SOSP 2003, tables 3 and 5: lmbench fork 1.80 times native under Xen and 7.95 times under VMware "
      + "Workstation 3.2 (4.41 times Xen's), exec 1.45 and 4.34 (2.99 times)",
    setup:
      "fork-storm (1024 pages, 8 written a child) and fork-exec on prescott; shadow with binary translation, tables out "
      + "of step and given up when dead, as Workstation's adaptive monitor",
    remark:
      "The native cost of a kernel's own instructions is not in memlab's cycles: the order and the ratio of shadow to "
      + "direct are compared, not ratios to native.",
    targets: [
      Target("fork: native < nested < shadow", "(1: yes)", "yes", in: 1...1),
      Target("fork: native < direct < shadow", "(1: yes)", "yes", in: 1...1),
      Target("fork: shadow over direct", "x", "4.41", in: 4.41 / 1.5...4.41 * 1.5),
      Target("exec: shadow over direct", "x", "2.99", in: 2.99 / 1.5...2.99 * 1.5, reason: noKernel),
      Target("exec costs more than fork, shadow", "(1: yes)", "yes", in: 1...1),
    ]
  ) { laboratory in
    let adaptive = ["cpu.technique=binary-translation", "shadow.store=unsync", "shadow.unshadow=all"]
    func run(_ load: Laboratory.Load, _ mode: Mode) throws -> Double {
      let settings = mode == .nested ? ["cpu.technique=hardware-assisted"] : adaptive
      return Double(try laboratory.run(load, mode, on: "prescott", settings).cyclesTotal)
    }
    let fork = Laboratory.Load("fork-storm", ["pages": 1024, "children": 50, "writes": 8])
    let exec = Laboratory.Load("fork-exec", ["rounds": 50])
    let native = try run(fork, .native)
    let nested = try run(fork, .nested)
    let direct = try run(fork, .direct)
    let shadow = try run(fork, .shadow)
    let program = (direct: try run(exec, .direct), shadow: try run(exec, .shadow))
    return [
      holds(native < nested && nested < shadow), holds(native < direct && direct < shadow), shadow / direct,
      program.shadow / program.direct, holds(program.shadow > shadow),
    ]
  }

  private static let noKernel = "the kernel's own work of exec, the larger part of it, is not in memlab's cycles"
}
