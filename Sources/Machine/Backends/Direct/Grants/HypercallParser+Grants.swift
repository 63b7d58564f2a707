internal import Paging

/// The text form of `grant_table_op`.
extension HypercallParser {
  func grant(_ words: [String]) throws(Problem) -> Hypercall {
    let arguments = Array(words.dropFirst())
    switch words.first {
    case "map_grant_ref":
      var maps: [GrantCall.Map] = []
      for part in parts(arguments) { maps.append(try map(part)) }
      return .grant(.map(maps))
    case "unmap_grant_ref":
      var unmaps: [GrantCall.Unmap] = []
      for part in parts(arguments) { unmaps.append(try unmap(part)) }
      return .grant(.unmap(unmaps))
    case "copy":
      var copies: [GrantCall.Copy] = []
      for part in parts(arguments) { copies.append(try copy(part)) }
      return .grant(.copy(copies))
    case "setup_table":
      let (count, pages) = try countAndPages(arguments)
      return .grant(.setUp(frames: count, pages: pages))
    case "get_status_frames":
      let (count, pages) = try countAndPages(arguments)
      return .grant(.statusFrames(count, pages: pages))
    case "set_version":
      guard arguments.count == 1 else { throw Problem(expected: "a version") }
      return .grant(.setVersion(try number(arguments[0])))
    case "get_version": return .grant(.getVersion)
    case "query_size": return .grant(.querySize)
    default: return .unknown
    }
  }

  /// What the domain does in its own table.
  func grantStore(_ name: String, _ words: [String]) throws(Problem) -> Hypercall {
    if name == "end_foreign_access" {
      guard words.count == 1 else { throw Problem(expected: "REFERENCE") }
      return .grant(.endAccess(reference: try number(words[0])))
    }
    guard words.count == 3 || words.count == 4 && words[3] == "readonly" else {
      throw Problem(expected: "REFERENCE DOMAIN FRAME [readonly]")
    }
    return .grant(
      .grantAccess(
        reference: try number(words[0]), to: try domain(words[1]), frame: MPN(try value(words[2]) >> 12),
        isReadOnly: words.count == 4))
  }

  private func parts(_ words: [String]) -> [[String]] { words.split(separator: ";").map { Array($0) } }

  private func map(_ words: [String]) throws(Problem) -> GrantCall.Map {
    guard words.count == 4 else { throw Problem(expected: "DOMAIN REFERENCE ADDRESS FLAG|FLAG…") }
    var flags: GrantMapFlags = []
    for name in words[3].split(separator: "|") {
      guard let flag = GrantMapFlags.names[String(name)] else {
        throw Problem(expected: "a flag of a mapping, not \(name)")
      }
      flags.insert(flag)
    }
    return GrantCall.Map(
      granter: try domain(words[0]), reference: try number(words[1]), address: try value(words[2]), flags: flags)
  }

  private func unmap(_ words: [String]) throws(Problem) -> GrantCall.Unmap {
    guard (1...3).contains(words.count) else { throw Problem(expected: "HANDLE [ADDRESS [BUS-ADDRESS]]") }
    var unmap = GrantCall.Unmap(handle: try number(words[0]))
    if words.count > 1 { unmap.address = try value(words[1]) }
    if words.count > 2 { unmap.busAddress = try value(words[2]) }
    return unmap
  }

  private func copy(_ words: [String]) throws(Problem) -> GrantCall.Copy {
    guard words.count == 3 else { throw Problem(expected: "SOURCE DESTINATION LENGTH") }
    return GrantCall.Copy(
      source: try operand(words[0]), destination: try operand(words[1]), length: UInt64(try number(words[2])))
  }

  private func operand(_ word: String) throws(Problem) -> GrantCall.Copy.Operand {
    let parts = word.split(separator: ":").map(String.init)
    if word.hasPrefix("@") || parts.count == 1 { return .own(MachineAddress(try value(word))) }
    guard parts.count <= 3 else { throw Problem(expected: "DOMAIN:REFERENCE[:OFFSET], not \(word)") }
    return .grant(
      try domain(parts[0]), reference: try number(parts[1]), offset: parts.count == 3 ? try hexadecimal(parts[2]) : 0)
  }

  private func countAndPages(_ words: [String]) throws(Problem) -> (Int, [PPN]) {
    let halves = words.split(separator: "to", omittingEmptySubsequences: false)
    guard halves.count <= 2, halves[0].count == 1, let count = halves[0].first else {
      throw Problem(expected: "COUNT [to ADDRESS …]")
    }
    return (try number(count), halves.count == 2 ? try pages(Array(halves[1])) : [])
  }
}
