import Machine
import Paging

/// Reads a tree of figures as a machine; an error names the key and what was expected.
enum MachineReader {
  struct Problem: Error {
    var message: String
  }

  static func description(_ tree: JSONValue) throws(Problem) -> MachineDescription {
    let top = try Group(tree, path: "")
    var machine = MachineDescription(name: try top.string("name"), summary: try top.string("summary"))
    machine.maxPhysicalAddressBits = try top.count("maxphyaddr")
    machine.hasHugePages = try top.bool("hugePages")
    machine.hasFiveLevels = try top.bool("fiveLevels")
    machine.hasPCID = try top.bool("pcid")
    if top.has("sensitiveInstructionsTrap") {
      machine.allSensitiveInstructionsTrap = try top.bool("sensitiveInstructionsTrap")
    }
    let tlb = try top.group("tlb")
    machine.l1Instruction = try arrays(tlb.group("l1i"))
    machine.l1Data = try arrays(tlb.group("l1d"))
    machine.l2 = try arrays(tlb.group("l2"))
    try tlb.finish()
    machine.pagingStructureCaches = try pagingStructureCaches(top.group("pagingStructureCaches"))
    if top.has("pageWalkCache") {
      let cache = try top.group("pageWalkCache")
      let geometry = PageWalkCacheGeometry(entries: try cache.count("entries"), cycles: try cache.cycles("cycles"))
      try cache.finish()
      if geometry.entries > 0 { machine.pageWalkCache = geometry }
    }
    if top.has("nestedCaches") {
      let nested = try top.group("nestedCaches")
      machine.nestedTLB = try arrays(nested.group("tlb"))
      machine.nestedStructureCaches = try pagingStructureCaches(nested.group("structures"))
      try nested.finish()
    }
    if top.has("softwareTLB") {
      let tlb = try top.group("softwareTLB")
      machine.softwareTLB = SoftwareTLBGeometry(
        entries: try tlb.count("entries"), pages: try tlb.count("pagesPerEntry"), wired: try tlb.count("wired"),
        contextBits: try tlb.count("asidBits"))
      try tlb.finish()
    }
    machine.walkCaches = try walkCaches(top.list("walkCaches"))
    machine.costs = try costs(top.group("costs"))
    try top.finish(allowing: ["sources"])
    if let problem = machine.problem { throw Problem(message: problem) }
    return machine
  }

  /// The arrays of one TLB level: the key is the page sizes that share an array, `4K+2M`.
  private static func arrays(_ level: Group) throws(Problem) -> [TLBGeometry] {
    var arrays: [TLBGeometry] = []
    for key in level.keys {
      let sizes = key.split(separator: "+").compactMap { PageSize(name: String($0)) }
      guard !sizes.isEmpty, sizes.count == key.split(separator: "+", omittingEmptySubsequences: false).count else {
        throw Problem(message: "\(level.name(key)): expected page sizes of 4K, 2M, 1G, joined by +")
      }
      let array = try level.group(key)
      let entries = try array.count("entries")
      let ways = try array.ways(of: entries)
      try array.finish()
      if entries > 0 { arrays.append(TLBGeometry(sizes, sets: entries / ways, ways: ways)) }
    }
    return arrays
  }

  private static func pagingStructureCaches(_ group: Group) throws(Problem) -> [Int: Int] {
    let levels = ["pde": 2, "pdpte": 3, "pml4e": 4, "pml5e": 5]
    var caches: [Int: Int] = [:]
    for key in group.keys {
      guard let level = levels[key] else {
        throw Problem(message: "\(group.name(key)): expected pde, pdpte, pml4e or pml5e")
      }
      let entries = try group.count(key)
      if entries > 0 { caches[level] = entries }
    }
    return caches
  }

  private static func walkCaches(_ list: [Group]) throws(Problem) -> [CacheGeometry] {
    var caches: [CacheGeometry] = []
    for cache in list {
      _ = try cache.string("name")
      let bytes = try cache.count("bytes")
      if bytes % 64 != 0 { throw Problem(message: "\(cache.name("bytes")): \(bytes), expected a multiple of 64") }
      let ways = try cache.ways(of: bytes / 64)
      let cycles = try cache.cycles("cycles")
      try cache.finish()
      if bytes > 0 { caches.append(CacheGeometry(sets: bytes / 64 / ways, ways: ways, cycles: cycles)) }
    }
    return caches
  }

  private static func costs(_ group: Group) throws(Problem) -> Costs {
    var costs = Costs()
    costs.l2Hit = try group.cycles("l2Hit")
    costs.memory = try group.cycles("memory")
    costs.faultDelivery = try group.cycles("faultDelivery")
    costs.loadCR3 = try group.cycles("loadCR3")
    costs.invlpg = try group.cycles("invlpg")
    costs.exit = try group.cycles("exit")
    costs.fill = try group.cycles("fill")
    costs.emulation = try group.cycles("emulation")
    costs.injection = try group.cycles("injection")
    costs.intercept = try group.cycles("intercept")
    costs.hypercall = try group.cycles("hypercall")
    costs.validation = try group.cycles("validation")
    // Files that came before these keys mean what the nearest of the others says.
    costs.trap = group.has("trap") ? try group.cycles("trap") : costs.faultDelivery
    costs.reflection = group.has("reflection") ? try group.cycles("reflection") : costs.injection
    if group.has("callout") { costs.callout = try group.cycles("callout") }
    if group.has("refill") { costs.refill = try group.cycles("refill") }
    if group.has("examine") { costs.examine = try group.cycles("examine") }
    try group.finish()
    return costs
  }
}
