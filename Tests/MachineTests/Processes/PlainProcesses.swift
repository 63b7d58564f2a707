/// What processes may expect of their memory, page by page, told without page tables, frames or address spaces: sets of
/// pages, and things that several may share. It foretells each page fault of a kernel that never runs short of memory
/// and maps small pages alone.
struct PlainProcesses {
  /// Attributes of a mapped page.
  struct Attributes: Hashable {
    var rights: UInt16
    /// 0: anonymous.
    var file = 0
    /// Page at which the file begins.
    var origin: UInt64 = 0
    var isShared = false
    /// Shared memory that has no file.
    var isInMemory = false
  }

  /// What a process has of a page.
  enum Holding {
    case zeros
    /// A page of a file, or of shared memory; dirty: the process has stored to it since it has it.
    case cached(isDirty: Bool)
    /// A thing that may be shared; writable: stores need no leave.
    case own(Int, isWritable: Bool)
  }

  struct Process {
    var attributes: [UInt64: Attributes] = [:]
    /// Pages that the trace has not spoken of are anonymous.
    var isImplicit = true
    var unmapped: Set<UInt64> = []
    var held: [UInt64: Holding] = [:]

    func attributes(of page: UInt64) -> Attributes? {
      if let known = attributes[page] { return known }
      return isImplicit && !unmapped.contains(page) ? Attributes(rights: 7) : nil
    }
  }

  enum Answer { case hit, fault, signal }

  var processes: [UInt64: Process]
  var hasZeroPage = true
  var faultAround: UInt64 = 16
  let isImplicit: Bool
  private var owners: [Int] = []
  private var files = 0
  /// Pages of shared memory that somebody has touched, by its number and their places in it.
  private var touched: Set<[UInt64]> = []

  init(isImplicit: Bool) {
    self.isImplicit = isImplicit
    processes = [1: Process(isImplicit: isImplicit)]
  }

  mutating func create(_ process: UInt64) {
    if processes[process] == nil { processes[process] = Process(isImplicit: isImplicit) }
  }

  // MARK: Accesses

  /// 0 load, 1 store, 2 fetch.
  mutating func access(_ process: UInt64, _ page: UInt64, _ kind: Int) -> Answer {
    guard let attributes = processes[process]?.attributes(of: page) else { return .signal }
    let needed: UInt16 = kind == 1 ? 2 : kind == 2 ? 1 : 7
    if attributes.rights & needed == 0 { return .signal }
    let held = processes[process]?.held[page]
    if kind != 1 {
      if held != nil { return .hit }
      read(process, page, attributes)
      return .fault
    }
    if attributes.isShared {
      touch(page, attributes)
      if case .cached(let isDirty) = held, isDirty || attributes.isInMemory { return .hit }
      processes[process]?.held[page] = .cached(isDirty: true)
      return .fault
    }
    if case .own(let thing, let isWritable) = held {
      if isWritable { return .hit }
      if owners[thing] == 1 {
        processes[process]?.held[page] = .own(thing, isWritable: true)
        return .fault
      }
      owners[thing] -= 1
    }
    let thing = newThing()
    processes[process]?.held[page] = .own(thing, isWritable: true)
    return .fault
  }

  private mutating func newThing() -> Int {
    owners.append(1)
    return owners.count - 1
  }

  private mutating func read(_ process: UInt64, _ page: UInt64, _ attributes: Attributes) {
    if attributes.file == 0 {
      let isWritable = attributes.rights & 2 != 0
      let holding = hasZeroPage ? Holding.zeros : .own(newThing(), isWritable: isWritable)
      processes[process]?.held[page] = holding
      return
    }
    touch(page, attributes)
    processes[process]?.held[page] = .cached(isDirty: false)
    // Neighbours of the same mapping, in both directions until it ends.
    for step in [1, -1] {
      var next = page
      while true {
        next = next &+ UInt64(bitPattern: Int64(step))
        guard next / faultAround == page / faultAround, processes[process]?.attributes(of: next) == attributes
        else { break }
        if attributes.isInMemory && !touched.contains(place(next, attributes)) { continue }
        if processes[process]?.held[next] == nil { processes[process]?.held[next] = .cached(isDirty: false) }
      }
    }
  }

  private func place(_ page: UInt64, _ attributes: Attributes) -> [UInt64] {
    [UInt64(attributes.file), page &- attributes.origin]
  }

  private mutating func touch(_ page: UInt64, _ attributes: Attributes) {
    if attributes.isInMemory { touched.insert(place(page, attributes)) }
  }

  // MARK: Operations

  /// `named`: the number of a file and the page of it that comes first; files without a number count from 1000.
  mutating func map(
    _ process: UInt64, _ pages: Range<UInt64>, _ rights: UInt16, isFile: Bool, isShared: Bool,
    named: (file: UInt64, offset: UInt64)?
  ) {
    drop(process, pages)
    var attributes = Attributes(rights: rights)
    if isFile || isShared {
      files += 1
      attributes.file = named.map { Int($0.file) + 1 } ?? 1000 + files
      attributes.origin = pages.lowerBound &- (named?.offset ?? 0)
      attributes.isShared = isShared
      attributes.isInMemory = !isFile
    }
    for page in pages { processes[process]?.attributes[page] = attributes }
  }

  /// Moves pages to where nothing of them is; growth is like the last page before it.
  mutating func move(_ process: UInt64, _ old: Range<UInt64>, to new: Range<UInt64>) {
    let kept = min(old.count, new.count)
    guard let memory = processes[process] else { return }
    let last = memory.attributes(of: old.lowerBound + UInt64(kept) - 1)
    if old.lowerBound == new.lowerBound {
      unmap(process, old.lowerBound + UInt64(kept)..<max(old.upperBound, old.lowerBound + UInt64(kept)))
      unmap(process, new.lowerBound + UInt64(kept)..<max(new.upperBound, new.lowerBound + UInt64(kept)))
    } else {
      unmap(process, new)
      unmap(process, old.lowerBound + UInt64(kept)..<max(old.upperBound, old.lowerBound + UInt64(kept)))
    }
    for index in 0..<UInt64(new.count) {
      let target = new.lowerBound + index
      let source = old.lowerBound + index
      if index < kept && source == target { continue }
      var attributes = index < kept ? memory.attributes(of: source) : last
      if let file = attributes?.file, file != 0 { attributes?.origin &+= new.lowerBound &- old.lowerBound }
      processes[process]?.attributes[target] = attributes
      guard index < kept else { continue }
      processes[process]?.held[target] = memory.held[source]
      processes[process]?.held[source] = nil
      processes[process]?.attributes[source] = nil
      processes[process]?.unmapped.insert(source)
    }
  }

  mutating func unmap(_ process: UInt64, _ pages: Range<UInt64>) {
    drop(process, pages)
    for page in pages {
      processes[process]?.attributes[page] = nil
      processes[process]?.unmapped.insert(page)
    }
  }

  mutating func drop(_ process: UInt64, _ pages: Range<UInt64>) {
    for page in pages {
      if case .own(let thing, _) = processes[process]?.held[page] { owners[thing] -= 1 }
      processes[process]?.held[page] = nil
    }
  }

  mutating func protect(_ process: UInt64, _ pages: Range<UInt64>, _ rights: UInt16) {
    for page in pages {
      guard var attributes = processes[process]?.attributes(of: page) else { continue }
      attributes.rights = rights
      processes[process]?.attributes[page] = attributes
      if case .own(let thing, _) = processes[process]?.held[page] {
        processes[process]?.held[page] = .own(thing, isWritable: rights & 2 != 0 && owners[thing] == 1)
      }
    }
  }

  mutating func fork(_ parent: UInt64, _ child: UInt64) {
    guard let source = processes[parent] else { return }
    processes[child] = source
    for (page, holding) in source.held {
      switch holding {
      case .zeros: break
      case .cached: processes[child]?.held[page] = nil
      case .own(let thing, _):
        owners[thing] += 1
        processes[parent]?.held[page] = .own(thing, isWritable: false)
        processes[child]?.held[page] = .own(thing, isWritable: false)
      }
    }
  }

  mutating func exit(_ process: UInt64) {
    if let pages = processes[process]?.held.keys { for page in pages { drop(process, page..<page + 1) } }
    processes[process] = nil
  }

  mutating func exec(_ process: UInt64) {
    exit(process)
    create(process)
  }
}
