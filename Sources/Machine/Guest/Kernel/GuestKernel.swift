internal import Paging

/// A modelled guest kernel, for traces of programs in user mode: it has processes, their mappings, page tables in guest
/// memory, page frames and a swap area, and does what a kernel does when a program faults, forks, maps, exits.
///
/// It owns the guest's state alone. Whatever the machine must see goes through a ``KernelPort``.
struct GuestKernel {
  let settings: GuestSettings
  var frames: FrameAllocator
  /// By frame number, as far as frames have been given.
  var pageFrames: [PageFrame] = []
  /// Address spaces by index; one that has gone leaves its place to the next.
  var spaces: [AddressSpace?] = []
  /// Index of the address space of each process.
  var processes: [UInt64: Int] = [:]
  /// The process whose accesses the trace has, nil after it has exited.
  var running: UInt64? = 1
  /// The page of zeros that all may read.
  var zeroPage = PPN(0)
  /// The tables that only map the kernel, for when no process runs.
  var kernelRoot = PPN(0)
  /// The 256 words of the upper half of every top-level table.
  var kernelHalf: [UInt64] = []
  var swap: SwapArea
  var balloon = Balloon()
  /// The page cache.
  var cache: [FilePage: PPN] = [:]
  /// Pages of files that the cache had to drop, so that they must be read from disk again.
  var droppedPages: Set<FilePage> = []
  /// What pages of files hold on disk since they were written back.
  var writtenPages: [FilePage: UInt64] = [:]
  /// Pages of shared memory that are in the swap area, with their slots.
  var swappedPages: [FilePage: Int] = [:]
  var files = FileNumbers()
  /// Where the clock of reclaim stands.
  var hand: UInt64 = 0
  /// PCIDs that are in use, a bit each.
  var usedPCIDs: Set<UInt64> = [0]
  /// How many there are.
  let pcids: UInt64

  init(_ settings: GuestSettings, frames count: UInt64, pcids: UInt64 = 4096) {
    self.settings = settings
    self.pcids = pcids
    frames = FrameAllocator(frames: count)
    swap = SwapArea(capacity: settings.swapPages)
  }

  /// Sets up the kernel's own half and process 1. Returns the value of CR3 that the first access needs.
  mutating func boot(_ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> UInt64 {
    // Frame 0 stays unused, so that no entry that leads to it is taken for none.
    _ = try allocate(.kernel, &port)
    zeroPage = try allocate(.kernel, &port)
    kernelHalf = Array(repeating: 0, count: 256)
    if let size = settings.directMap { try mapAllMemory(size, &port) }
    kernelRoot = try makeTable(level: 4, emptyRoot, &port)
    processes[1] = try makeSpace(&port)
    running = 1
    return rootValue(of: try space(of: 1, &port))
  }

  var emptyRoot: [UInt64] { Array(repeating: 0, count: 256) + kernelHalf }

  /// Index of the address space of a process that there must be.
  func space(of process: UInt64, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> Int {
    guard let index = processes[process] else { throw port.error("process \(process), which does not exist") }
    return index
  }

  /// The address space whose tables the processor uses, nil if it is the kernel's own.
  var current: Int? { running.flatMap { processes[$0] } }

  subscript(space index: Int) -> AddressSpace {
    get {
      guard let space = spaces[index] else { preconditionFailure("address space \(index) is gone") }
      return space
    }
    set { spaces[index] = newValue }
  }

  // MARK: Frames

  /// A frame, whatever it held; the caller has seen to it that there are enough.
  mutating func allocate(_ use: PageFrame.Use, _ port: inout some KernelPort & ~Copyable) throws(ReplayError) -> PPN {
    guard let page = frames.allocate() else { throw outOfMemory(&port) }
    setUse(use, of: page)
    return page
  }

  func outOfMemory(_ port: inout some KernelPort & ~Copyable) -> ReplayError {
    port.error("out of memory: none of \(frames.limit) page frames is free or can be reclaimed")
  }

  mutating func setUse(_ use: PageFrame.Use, of page: PPN) {
    while pageFrames.count <= Int(page.raw) { pageFrames.append(PageFrame()) }
    pageFrames[Int(page.raw)] = PageFrame()
    pageFrames[Int(page.raw)].use = use
  }

  mutating func release(_ page: PPN) {
    pageFrames[Int(page.raw)].use = .free
    frames.release(page)
  }

  subscript(frame page: PPN) -> PageFrame {
    _read { yield pageFrames[Int(page.raw)] }
    _modify { yield &pageFrames[Int(page.raw)] }
  }
}
