extension Definitions {
  /// Where in the sources a column is counted: the file or folder to read, from the top of the repository.
  public static func code(of column: String) -> String {
    // The longest prefix says it.
    let best = code.filter { column.hasPrefix($0.prefix) }.max { $0.prefix.count < $1.prefix.count }
    return best?.place ?? "Sources/Machine/Accounting/Counters.swift"
  }

  private static let code: [(prefix: String, place: String)] = [
    ("accesses", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("loads", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("stores", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("fetches", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("operations", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("translations", "Sources/Machine/Hardware/Processor+Translation.swift"),
    ("translations_invalidated", "Sources/Machine/Hypervisor/MachineState+Traces.swift"),
    ("tlb_", "Sources/Machine/Hardware/Processor+Translation.swift"),
    ("walk", "Sources/Machine/Hardware/Walker.swift"),
    ("walk_refs", "Sources/Machine/Hardware/MachineState+References.swift"),
    ("walk_refs_nested", "Sources/Machine/Backends/Nested/NestedBackend+Walk.swift"),
    ("psc_", "Sources/Machine/Hardware/PagingStructureCache.swift"),
    ("nested_", "Sources/Machine/Hardware/NestedCaches.swift"),
    ("true_faults", "Sources/Machine/Accounting/Log.swift"),
    ("hidden_", "Sources/Machine/Accounting/Log.swift"),
    ("cause_", "Sources/Machine/Backends/Shadow/ShadowBackend+Fill.swift"),
    ("trace_faults", "Sources/Machine/Hypervisor/MachineState+Traces.swift"),
    ("dirty_log", "Sources/Machine/Hypervisor/MachineState+DirtyLog.swift"),
    ("nested_split", "Sources/Machine/Backends/Nested/NestedTable+Split.swift"),
    ("nested_collapsed", "Sources/Machine/Backends/Nested/NestedTable+Split.swift"),
    ("inv", "Sources/Machine/Hardware/VirtualCPU+Virtualization.swift"),
    ("exit_flushes", "Sources/Machine/Backends/Nested/NestedBackend+Resolve.swift"),
    ("exit", "Sources/Machine/Accounting/Tolls.swift"),
    ("monitor_", "Sources/Machine/Hardware/Processor+Monitor.swift"),
    ("hypercalls", "Sources/Machine/Backends/Direct/DirectBackend+Hypercalls.swift"),
    ("host_", "Sources/Machine/Hypervisor/Host/MachineState+Host.swift"),
    ("host_sample", "Sources/Machine/Hypervisor/Host/Host+Sampling.swift"),
    ("cause_host", "Sources/Machine/Backends/Shadowing/ShadowingBackend.swift"),
    ("balloon_", "Sources/Machine/Guest/Kernel/GuestKernel+Balloon.swift"),
    ("mmu_", "Sources/Machine/Backends/Direct/DirectBackend+Hypercalls.swift"),
    ("guest_", "Sources/Machine/Guest/Kernel"),
    ("guest_pte_writes", "Sources/Machine/Hardware/Processor+Tables.swift"),
    ("guest_table_pages", "Sources/Machine/Hardware/Processor+Tables.swift"),
    ("guest_cr3_loads", "Sources/Machine/Hardware/Processor+Registers.swift"),
    ("guest_invlpgs", "Sources/Machine/Hardware/Processor+Registers.swift"),
    ("shadow_", "Sources/Machine/Backends/Shadow/ShadowBackend+Cache.swift"),
    ("shadow_large", "Sources/Machine/Backends/Shadow/ShadowBackend+Large.swift"),
    ("prefetched", "Sources/Machine/Backends/Shadow/ShadowBackend+Prefetch.swift"),
    ("entries_examined", "Sources/Machine/Hypervisor/MachineState+Traces.swift"),
    ("bloat", "Sources/Machine/Backends/Shadow/ShadowBackend+Cache.swift"),
    ("emulated_tlb", "Sources/Machine/Backends/EmulatedTLB/LeafQueue.swift"),
    ("traced_pages", "Sources/Machine/Hypervisor/MemoryTraces.swift"),
    ("cycles", "Sources/Machine/Accounting/Cycles.swift"),
    ("divergences", "Sources/Machine/Hardware/Processor+Operations.swift"),
    ("stale_hits", "Sources/Machine/Checks/StalenessOracle.swift"),
  ]
}
