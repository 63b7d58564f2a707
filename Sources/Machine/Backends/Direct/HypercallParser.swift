internal import Paging

/// The text form of hypercalls, as it stands in traces:
///
/// ```
/// mmu_update [tables=DOMAIN] [pages=DOMAIN] POINTER=VALUE …
/// update_va_mapping ADDRESS VALUE [none|flush|invlpg][:local|:all]
/// update_va_mapping_otherdomain ADDRESS VALUE FLUSH DOMAIN
/// mmuext_op [pages=DOMAIN] OPERATION [ARGUMENT [ARGUMENT]] ; …
/// multicall HYPERCALL / HYPERCALL …
/// memory_op increase_reservation COUNT [order=N]
/// memory_op decrease_reservation FRAME … [order=N]
/// memory_op populate_physmap ADDRESS … [order=N]
/// memory_op exchange FRAME … to ADDRESS … [in=ORDER] [out=ORDER] [exchanged=N]
/// memory_op current_reservation | maximum_reservation
/// iret   getpageframeinfo3 FRAME   destroydomain
/// ```
///
/// Numbers are hexadecimal and in machine terms; `@ADDRESS` is the machine address of a physical one by the caller's P2M,
/// `@DOMAIN:ADDRESS` by another's; terms are joined by `|` or `+`. Domains, counts and orders are decimal, a domain also
/// `self`, `io` or `xen`. Behind `=>` stands the result that the author expects.
struct HypercallParser {
  /// The caller, for `@ADDRESS`.
  let domain: DomainID
  /// Frames behind the pages that the text names, by P2M.
  let frames: [Page: MPN]

  struct Page: Hashable {
    var domain: DomainID
    var page: PPN
  }

  struct Problem: Error {
    var expected: String
  }

  /// The hypercall, and the result that is expected.
  func parse(_ text: String) throws(Problem) -> (call: Hypercall, expected: String?) {
    let words = text.split(separator: " ").map(String.init)
    guard let arrow = words.firstIndex(of: "=>") else { return (try parse(words[...]), nil) }
    let expected = words[(arrow + 1)...].joined(separator: " ")
    guard !expected.isEmpty else { throw Problem(expected: "a result behind =>") }
    return (try parse(words[..<arrow]), expected)
  }

  private func parse(_ words: ArraySlice<String>) throws(Problem) -> Hypercall {
    guard let name = words.first else { throw Problem(expected: "the name of a hypercall") }
    let arguments = Array(words.dropFirst())
    switch name {
    case "mmu_update": return try mmuUpdate(arguments)
    case "update_va_mapping": return try updateMapping(arguments, hasDomain: false)
    case "update_va_mapping_otherdomain": return try updateMapping(arguments, hasDomain: true)
    case "mmuext_op": return try extended(arguments)
    case "multicall":
      var calls: [Hypercall] = []
      for part in arguments.split(separator: "/") { calls.append(try parse(part)) }
      return .multicall(calls)
    case "memory_op": return try memory(arguments)
    case "iret": return .iret
    case "destroydomain": return .destroy
    case "getpageframeinfo3":
      guard arguments.count == 1 else { throw Problem(expected: "a frame") }
      return .frameInfo(MPN(try value(arguments[0]) >> 12))
    default: return .unknown
    }
  }

  private func mmuUpdate(_ words: [String]) throws(Problem) -> Hypercall {
    var updates = Hypercall.MMUUpdates(requests: [])
    for word in words {
      let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2 else { throw Problem(expected: "POINTER=VALUE, not \(word)") }
      switch pair[0] {
      case "tables": updates.tables = try domain(pair[1])
      case "pages": updates.pages = try domain(pair[1])
      default: updates.requests.append((pointer: try value(pair[0]), value: try value(pair[1])))
      }
    }
    return .mmuUpdate(updates)
  }

  private func updateMapping(_ words: [String], hasDomain: Bool) throws(Problem) -> Hypercall {
    guard hasDomain ? words.count == 4 : (2...3).contains(words.count) else {
      throw Problem(expected: hasDomain ? "ADDRESS VALUE FLUSH DOMAIN" : "ADDRESS VALUE [FLUSH]")
    }
    var update = Hypercall.MappingUpdate(address: VirtualAddress(try value(words[0])), value: try value(words[1]))
    if words.count > 2 {
      let parts = words[2].split(separator: ":").map(String.init)
      switch parts.first {
      case "none": break
      case "flush": update.flush.extent = .everything
      case "invlpg": update.flush.extent = .page
      default: throw Problem(expected: "none, flush or invlpg, not \(words[2])")
      }
      guard parts.count == 1 || parts.count == 2 && ["local", "all"].contains(parts[1]) else {
        throw Problem(expected: ":local or :all, not \(words[2])")
      }
      update.flush.isGlobal = parts.last == "all"
    }
    if hasDomain { update.pages = try domain(words[3]) }
    return .updateMapping(update)
  }

  private func extended(_ words: [String]) throws(Problem) -> Hypercall {
    var pages = DomainID.oneself
    var calls: [Hypercall.MMUExtendedCall] = []
    for part in words.split(separator: ";") {
      var part = part
      if let first = part.first, first.hasPrefix("pages=") {
        pages = try domain(String(first.dropFirst(6)))
        part = part.dropFirst()
      }
      guard let name = part.first, part.count <= 3 else { throw Problem(expected: "OPERATION [ARGUMENT [ARGUMENT]]") }
      guard let number = Xen.extendedNames[name] ?? Int(name) else {
        throw Problem(expected: "an operation of mmuext_op, not \(name)")
      }
      var call = Hypercall.MMUExtendedCall(number: number)
      let arguments = part.dropFirst()
      if let first = arguments.first { call.first = try value(first) }
      if arguments.count == 2, let second = arguments.last { call.second = try value(second) }
      calls.append(call)
    }
    return .mmuExtended(calls, pages: pages)
  }
}

extension HypercallParser {
  private func memory(_ words: [String]) throws(Problem) -> Hypercall {
    var options: [String: Int] = [:]
    var plain: [String] = []
    for word in words.dropFirst() {
      let pair = word.split(separator: "=").map(String.init)
      if pair.count == 2, ["order", "in", "out", "exchanged"].contains(pair[0]) {
        options[pair[0]] = try number(pair[1])
      } else {
        plain.append(word)
      }
    }
    let order = options["order"] ?? 0
    switch words.first {
    case "increase_reservation":
      guard plain.count == 1, try number(plain[0]) <= 1 << 20 else { throw Problem(expected: "COUNT, at most 1048576") }
      return .memory(.increase(count: try number(plain[0]), order: order))
    case "decrease_reservation": return .memory(.decrease(try frames(plain), order: order))
    case "populate_physmap": return .memory(.populate(try pages(plain), order: order))
    case "exchange":
      let halves = plain.split(separator: "to", omittingEmptySubsequences: false)
      guard halves.count == 2 else { throw Problem(expected: "FRAME … to ADDRESS …") }
      var exchange = Hypercall.Exchange(input: try frames(Array(halves[0])), output: try pages(Array(halves[1])))
      exchange.inputOrder = options["in"] ?? 0
      exchange.outputOrder = options["out"] ?? 0
      exchange.exchanged = UInt64(options["exchanged"] ?? 0)
      return .memory(.exchange(exchange))
    case "current_reservation": return .memory(.currentReservation)
    case "maximum_reservation": return .memory(.maximumReservation)
    default: return .unknown
    }
  }

  private func frames(_ words: [String]) throws(Problem) -> [MPN] {
    var frames: [MPN] = []
    for word in words { frames.append(MPN(try value(word) >> 12)) }
    return frames
  }

  private func pages(_ words: [String]) throws(Problem) -> [PPN] {
    var pages: [PPN] = []
    for word in words { pages.append(PPN(try hexadecimal(word) >> 12)) }
    return pages
  }

  // MARK: Words

  private func value(_ word: String) throws(Problem) -> UInt64 {
    var result: UInt64 = 0
    for term in word.split(whereSeparator: { $0 == "|" || $0 == "+" }) {
      if term.first == "@" {
        result |= try machineAddress(term.dropFirst().split(separator: ":").map(String.init))
      } else {
        let (sum, isTooLarge) = result.addingReportingOverflow(try hexadecimal(String(term)))
        guard !isTooLarge else { throw Problem(expected: "a number of 64 bits, not \(word)") }
        result = sum
      }
    }
    return result
  }

  /// The pages that a text names by `@`, as far as they can be read.
  static func pages(in text: String, domain: DomainID) -> [Page] {
    let ends: Set<Character> = [" ", "|", "+", "="]
    return text.split(separator: "@").dropFirst().compactMap { rest in
      let parts = rest.prefix { !ends.contains($0) }.split(separator: ":")
      guard let last = parts.last, let address = UInt64(last.hasPrefix("0x") ? last.dropFirst(2) : last, radix: 16)
      else { return nil }
      let owner = parts.count == 2 ? UInt16(parts[0]).map { DomainID($0) } : domain
      return owner.map { Page(domain: $0, page: PPN(address >> 12)) }
    }
  }

  private func machineAddress(_ parts: [String]) throws(Problem) -> UInt64 {
    guard let last = parts.last, parts.count <= 2 else { throw Problem(expected: "@ADDRESS or @DOMAIN:ADDRESS") }
    let owner = parts.count == 2 ? try domain(parts[0]) : domain
    let address = PhysicalAddress(try hexadecimal(last))
    guard address.raw < 1 << 52, let frame = frames[Page(domain: owner, page: address.page)] else {
      throw Problem(expected: "a physical address that the domain has, not \(last)")
    }
    return frame.address.raw | address.offset
  }

  private func domain(_ word: String) throws(Problem) -> DomainID {
    switch word {
    case "self": return .oneself
    case "io": return .io
    case "xen": return .xen
    default:
      guard let number = UInt16(word) else { throw Problem(expected: "a domain, not \(word)") }
      return DomainID(number)
    }
  }

  private func number(_ word: String) throws(Problem) -> Int {
    guard let number = Int(word), number >= 0 else { throw Problem(expected: "a decimal number, not \(word)") }
    return number
  }

  private func hexadecimal(_ word: String) throws(Problem) -> UInt64 {
    let digits = word.hasPrefix("0x") ? word.dropFirst(2) : Substring(word)
    guard let value = UInt64(digits, radix: 16), !digits.hasPrefix("+"), !digits.hasPrefix("-") else {
      throw Problem(expected: "a hexadecimal number, not \(word)")
    }
    return value
  }
}
