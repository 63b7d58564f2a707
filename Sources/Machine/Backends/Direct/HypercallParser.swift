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
/// grant_table_op map_grant_ref DOMAIN REFERENCE ADDRESS FLAG|FLAG… ; …
/// grant_table_op unmap_grant_ref HANDLE [ADDRESS [BUS-ADDRESS]] ; …
/// grant_table_op copy SOURCE DESTINATION LENGTH ; …
/// grant_table_op setup_table COUNT [to ADDRESS …]
/// grant_table_op get_status_frames COUNT [to ADDRESS …]
/// grant_table_op set_version N | get_version | query_size
/// grant_foreign_access REFERENCE DOMAIN FRAME [readonly]   end_foreign_access REFERENCE
/// iret   getpageframeinfo3 FRAME   destroydomain
/// ```
///
/// Numbers are hexadecimal and in machine terms; `@ADDRESS` is the machine address of a physical one by the caller's P2M,
/// `@DOMAIN:ADDRESS` by another's; terms are joined by `|` or `+`. Domains, counts, orders, grant references and handles are
/// decimal, a domain also `self`, `io` or `xen`; SOURCE and DESTINATION are a FRAME's address or a grant,
/// `DOMAIN:REFERENCE[:OFFSET]`. Behind `=>` stands the result that the author expects.
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
    case "grant_table_op": return try grant(arguments)
    case "grant_foreign_access", "end_foreign_access": return try grantStore(name, arguments)
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
