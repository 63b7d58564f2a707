import Machine

extension Definitions {
  /// Entries into the hypervisor.
  static let exits: [Definition] = [
    Definition(
      "exits", "exits",
      "Entries into the hypervisor. The sum of exit_fault, exit_cr3, exit_invlpg, exit_hypercall, "
        + "exit_interrupt and exit_other.", in: .virtualized, term: "VM exit, world switch"),
    Definition(
      "exit_fault", "exits",
      "Exits by a page fault or a nested-paging violation, true faults that pass through included.",
      in: .virtualized, term: "VM exit by fault"),
    Definition(
      "exit_cr3", "exits", "Exits by an intercepted CR3 load.", in: .shadowing, term: "VM exit by context switch"),
    Definition("exit_invlpg", "exits", "Exits by an intercepted INVLPG.", in: .shadowing),
    Definition(
      "exit_hypercall", "exits", "Exits by a hypercall: direct paging, or cpu.technique=paravirtual.",
      in: .virtualized, term: "hypercall"),
    Definition(
      "exit_other", "exits", "Exits by anything else: loads of CR0, CR4 and EFER.", in: .virtualized),
    Definition(
      "exit_interrupt", "exits", "Exits by an interrupt, or by an exception that is no page fault.", in: .virtualized,
      term: "trap and reflection"),
    Definition(
      "hypercalls", "hypercalls", "Hypercalls that the guest made.", in: .virtualized,
      term: "hypercall (paravirtualization)"),
    Definition(
      "mmu_updates", "entries", "Page-table entries that hypercalls asked to change, the port's own flips included.",
      in: [.direct], term: "validated page table update"),
    Definition(
      "mmu_updates_rejected", "entries", "Page-table entries whose change the hypervisor refused. Expected: 0.",
      in: [.direct], term: "refused hypercall"),
    Definition(
      "mmu_update_calls", "hypercalls", "Hypercalls that asked for changes of page-table entries, one or many.",
      in: [.direct], term: "mmu_update"),
    Definition(
      "exits_saved", "exits", "Exits that were saved because a hypercall asked for several changes at once.",
      in: [.direct], term: "batched hypercalls"),
    Definition(
      "hypercall_continuations", "continuations", "Times that a long hypercall was interrupted and continued.",
      in: [.direct], term: "hypercall preemption"),
    Definition(
      "base_switches", "loads", "Loads of the kernel's or the user's base table as the guest changed its mode.",
      in: [.direct], term: "kernel in ring 3 with two base tables"),
    Definition(
      "syscalls_reflected", "system calls", "System calls that the hypervisor handed to the guest's kernel.",
      in: [.direct], term: "system calls through the hypervisor"),
    Definition(
      "tables_detached", "tables", "Times that a table was detached for the guest to write to it.", in: [.direct],
      term: "writable page tables, detached"),
    Definition(
      "detached_stores", "stores", "Page-table stores to detached tables, which cost no exit.", in: [.direct],
      term: "stores to a detached table"),
    Definition(
      "detached_updates", "entries", "Entries that had changed when their table was attached again.", in: [.direct],
      term: "revalidation of a detached table"),
    Definition(
      "balloon_given", "frames", "Frames that the guest's balloon driver gave back to the hypervisor.",
      in: .virtualized,
      term: "inflating the balloon"),
    Definition(
      "balloon_taken", "frames", "Frames that the guest's balloon driver got back.", in: .virtualized,
      term: "deflating the balloon"),
    Definition(
      "balloon_retries", "tries", "Tries of the balloon driver that fell short, after which it waits.",
      in: .virtualized,
      term: "balloon back-off"),
    Definition(
      "monitor_calls", "calls", "Calls of the monitor by translated code, which are no exits.", in: .shadowing,
      term: "callout of the binary translator"),
    Definition(
      "monitor_flushes", "flushes", "TLB flushes between the guest's address space and the monitor's own.",
      in: .shadowing, term: "the monitor in its own address space"),
    Definition(
      "pages_translated", "pages", "Times that a page of kernel code came under the binary translator's watch.",
      in: .shadowing, term: "translation cache"),
    Definition(
      "translations_invalidated", "pages", "Times that a store threw away what was translated from a page.",
      in: .shadowing, term: "translation cache coherence"),
  ]
}
