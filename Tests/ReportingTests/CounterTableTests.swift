import Machine
import XCTest

@testable import Reporting

/// The CSV of counters.
final class CounterTableTests: XCTestCase {
  func testTheHeaderIsTheOneThatReadersKnow() {
    XCTAssertEqual(
      CounterTable.header,
      """
      trace,mode,machine,operations,accesses,loads,stores,fetches,translations,tlb_l1_hits,tlb_l2_hits,tlb_misses,walks,\
      walk_refs,walk_refs_guest,walk_refs_nested,true_faults,hidden_faults,hidden_fill,hidden_trace,hidden_dirty,\
      hidden_host,hidden_other,exits,exit_fault,exit_cr3,exit_invlpg,exit_hypercall,exit_other,hypercalls,mmu_updates,\
      mmu_updates_rejected,guest_pte_writes,guest_cr3_loads,guest_invlpgs,shadow_pages,shadow_pages_peak,\
      traced_pages_peak,machine_frames_peak,cycles_translation,cycles_guest,cycles_virtualization,cycles_total,\
      divergences,seconds,operations_per_second,general_protections,stale_hits,settings,\
      trace_faults_shadow,trace_faults_rom,trace_faults_frame_buffer,trace_faults_device,trace_faults_cow,\
      frame_buffer_dirty_rows,shadow_pages_made,shadow_pages_evicted,shadow_pages_recycled,shadow_pages_unsynced,\
      shadow_pages_resynced,prefetched,prefetched_used,prefetched_in_vain,guest_table_pages,cause_table,cause_leaf,\
      cause_accessed,cause_dirty,cause_trace,cause_wp,cause_device,cause_upgrade,\
      walk_refs_l1,walk_refs_l2,walk_refs_l3,walk_refs_l4,walk_refs_l5,walk_refs_nested_l1,walk_refs_nested_l2,\
      walk_refs_nested_l3,walk_refs_nested_l4,walk_refs_nested_l5,psc_hits,nested_psc_hits,nested_tlb_hits,\
      exit_interrupt,monitor_calls,monitor_flushes,cause_monitor,trace_faults_translations,pages_translated,\
      translations_invalidated,emulated_tlb_evicted,trace_faults_l1,trace_faults_l2,trace_faults_l3,\
      trace_faults_l4,trace_faults_l5,bloat_percent,bloat_percent_peak,shadow_large_made,shadow_large_broken,\
      entries_examined,\
      guest_minor_faults,guest_major_faults,guest_signals,guest_demand_pages,guest_zero_maps,guest_fault_around,\
      guest_copies,guest_copy_reuses,guest_reclaimed,guest_swap_outs,guest_swap_ins,guest_large_pages,\
      guest_large_splits,guest_forks,\
      cycles_l2_tlb,cycles_walk,cycles_nested_walk,cycles_delivery,cycles_guest_cr3,cycles_guest_invlpg,\
      cycles_hidden_fill,cycles_hidden_trace,cycles_hidden_dirty,cycles_hidden_host,cycles_hidden_other,\
      cycles_true_fault,cycles_exit_cr3,cycles_exit_invlpg,cycles_exit_control,cycles_exit_interrupt,cycles_hypercall,\
      cycles_validation,cycles_examine,cycles_dirty_log,cycles_nested_split,cycles_mode,\
      dirty_log_rounds,dirty_log_pages,dirty_log_pages_peak,trace_faults_dirty_log,dirty_log_exits,dirty_log_full,\
      dirty_log_examined,dirty_log_cycles,nested_split,nested_collapsed,invepts,invvpids,exit_flushes,\
      guest_write_backs,guest_moved_pages,itlb_l1_misses,dtlb_l1_misses,tlb_refills,tlb_invalid,tlb_modified,\
      refill_refs,tlb_probes,tlb_random_writes,tlb_indexed_writes,hidden_refills,\
      wp_flips,wp_flips_back,frames_copied,\
      mmu_update_calls,exits_saved,hypercall_continuations,\
      balloon_given,balloon_taken,balloon_retries,\
      grant_maps,grant_unmaps,grant_copies,\
      dma_translations,dma_faults,iotlb_misses,iotlb_flushes,iommu_maps,iommu_unmaps,\
      base_switches,syscalls_reflected,tables_detached,detached_stores,detached_updates,\
      cause_host,host_fills,host_swap_ins,host_swap_outs,host_disk_cycles,host_double_paged,host_balloon_pops,\
      host_sampled,host_sample_faults,host_mapped,host_mapped_peak,host_swapped,host_ballooned,host_overhead,\
      host_shared,host_merges,host_share_breaks,dma_pages,dma_copied,dma_pinned,dma_requests,\
      host_waits,ring_requests,ring_notifications,ring_notifications_saved

      """)
  }

  /// Each counter is set to a value of its own, by its place in memory, so that one that is forgotten shows.
  func testEveryCounterHasItsColumn() {
    var counters = Counters()
    withUnsafeMutableBytes(of: &counters) { bytes in
      let words = bytes.bindMemory(to: UInt64.self)
      for index in words.indices { words[index] = 1_000_000 + 7 * UInt64(index) }
    }
    let run = Run(trace: "t", mode: .shadow, machine: "m", counters: counters, seconds: 1)
    let fields = Set(CounterTable.row(run).split { $0 == "," || $0 == "\n" }.map(String.init))
    for index in 0..<MemoryLayout<Counters>.size / 8 {
      XCTAssertTrue(fields.contains(String(1_000_000 + 7 * index)), "counter \(index) has no column")
    }
  }

  func testARow() {
    var counters = Counters()
    counters.operations = 10
    counters.loads = 1
    counters.stores = 2
    counters.fetches = 3
    counters.hiddenFill = 4
    counters.hiddenOther = 5
    counters.exitCR3 = 6
    counters.cycles.delivery = 7
    counters.staleHits = 8
    var run = Run(trace: "a,\"b\"", mode: .emulatedTLB, machine: "skylake", counters: counters, seconds: 0.0025)
    run.settings = "costs.exit=5 nested.fill=eager"
    let latest = CounterTable.latest.map { $0.name == "cycles_delivery" ? ",7" : ",0" }.joined()
    XCTAssertEqual(
      CounterTable.row(run),
      "\"a,\"\"b\"\"\",emulated-tlb,skylake,10,6,1,2,3,0,0,0,0,0,0,0,0,0,9,4,0,0,0,5,6,0,6,0,0,0,0,0,0,0,0,0,0,0,0,0,"
        + "0,7,0,7,0,0.002500,4000,0,8,costs.exit=5 nested.fill=eager" + latest + "\n")
    XCTAssertEqual(CounterTable.csv([run]), CounterTable.header + CounterTable.row(run))
  }

  func testEveryRowHasAsManyFieldsAsTheHeader() {
    let run = Run(trace: "t", mode: .native, machine: "m", counters: Counters(), seconds: 0)
    let fields = CounterTable.row(run).split(separator: ",", omittingEmptySubsequences: false).count
    XCTAssertEqual(fields, CounterTable.header.split(separator: ",").count)
  }
}
