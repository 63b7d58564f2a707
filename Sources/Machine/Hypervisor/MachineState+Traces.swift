internal import Paging

extension MachineState {
  /// Each page that the settings want watched, by whom and when.
  func wantedTraces() -> [(page: PPN, client: TraceClient, moments: TraceMoments)] {
    var pages: [(page: PPN, client: TraceClient, moments: TraceMoments)] = []
    let wanted: [(PhysicalRange?, TraceClient, TraceMoments)] = [
      (settings.traces.device, .device, [.beforeRead, .beforeWrite]),
      (settings.traces.readOnlyMemory, .readOnlyMemory, .beforeWrite),
      (settings.traces.copyOnWrite, .copyOnWrite, .beforeWrite),
      (settings.traces.frameBuffer, .frameBuffer, .afterWrite),
    ]
    for (range, client, moments) in wanted {
      guard let range else { continue }
      for page in range.first.raw..<range.first.raw + range.count where !isDevice(PPN(page)) {
        pages.append((PPN(page), client, moments))
      }
    }
    return pages
  }

  /// Installs them, if they hold from the start: no page is mapped yet.
  mutating func installTraces() {
    guard areTracesOn else { return }
    for (page, client, moments) in wantedTraces() { traces.watch(page, moments, for: client) }
    counters.tracedPagesPeak = UInt64(traces.pagesPeak)
  }

  /// Whether the next store to a page copies it to a frame of its own.
  func isShared(_ page: PPN) -> Bool { !traces.moments(of: .copyOnWrite, page).isEmpty }

  /// Gives a page, of which no mapping may be left, its own copy of what the shared frame holds.
  private mutating func copyFrame(of page: PPN) {
    if isHosted { return breakSharing(page) }
    withdrawFromDevices(page)
    traces.unwatch(page, for: .copyOnWrite)
    let old = physmap.machine(page)
    let new = physmap.move(page)
    for index in 0..<512 { memory.write(new.entryAddress(index: index), memory.read(old.entryAddress(index: index))) }
    let held = contents?[old] ?? 0
    contents?[new] = held
    counters.framesCopied += 1
    notePeaks()
  }

  /// The hypervisor sees an access to a watched page, and has not carried it out yet: the fault is booked with each who
  /// watches, and those are called who want to be before.
  mutating func beginTraced(_ address: PhysicalAddress, isStore: Bool) {
    let moments: TraceMoments = isStore ? [.beforeWrite, .afterWrite] : .beforeRead
    let watchers = traces.watchers(of: address.page, moments)
    for client in watchers { counters[keyPath: client.faults] += 1 }
    if watchers == [.dirtyLog] { noteLogExit() }
    call(isStore ? .beforeWrite : .beforeRead, address)
  }

  /// Books a trace fault on a guest table with the table's level; 0: the page is none.
  mutating func countTraced(level: Int) {
    if level > 0 { counters.traceFaultsByLevel.increment(level) }
  }

  /// Books and pays for a guest entry that the hypervisor looks at in passing.
  mutating func countExamined() {
    counters.entriesExamined += 1
    counters.cycles.examine += description.costs.examine
  }

  /// A store to a watched page has been carried out. The backend's own part comes after this. Returns whether what was
  /// translated from the page has gone, which all CPUs must forget.
  mutating func endTracedStore(_ address: PhysicalAddress) -> Bool {
    let before = counters.translationsInvalidated
    call(.afterWrite, address)
    return counters.translationsInvalidated != before
  }

  private mutating func call(_ moment: TraceMoments, _ address: PhysicalAddress) {
    for client in traces.watchers(of: address.page, moment) {
      traces.journal?.append(MemoryTraces.Call(client: client, moment: moment, address: address))
      switch client {
      // What a device does with the access is its own affair; a ROM's stores are dropped where words are written.
      case .device, .readOnlyMemory, .shadowTables: break
      case .copyOnWrite: copyFrame(of: address.page)
      case .frameBuffer: noteRow(address)
      case .dirtyLog: release(address.page)
      case .translations:
        traces.unwatch(address.page, for: .translations)
        counters.translationsInvalidated += 1
      }
    }
  }

  private mutating func noteRow(_ address: PhysicalAddress) {
    guard let range = settings.traces.frameBuffer else { return }
    let row = (address.raw - range.first.address.raw) / UInt64(settings.traces.frameBufferRow)
    if dirtyRows.insert(row).inserted { counters.frameBufferDirtyRows += 1 }
  }

  /// Whether a page drops what is stored to it. So does a ROM on a bare machine.
  func dropsStores(to page: PPN) -> Bool { settings.traces.readOnlyMemory?.contains(page) ?? false }
}

extension TraceClient {
  /// Counts the faults that the client's watch has caused; a fault that several watch counts for each.
  var faults: WritableKeyPath<Counters, UInt64> {
    switch self {
    case .device: \.traceFaultsDevice
    case .readOnlyMemory: \.traceFaultsROM
    case .copyOnWrite: \.traceFaultsCopyOnWrite
    case .frameBuffer: \.traceFaultsFrameBuffer
    case .dirtyLog: \.traceFaultsDirtyLog
    case .translations: \.traceFaultsTranslations
    case .shadowTables: \.traceFaultsShadow
    }
  }
}
