internal import Paging

/// Numbers, addresses and domains in the text form.
extension HypercallParser {
  func value(_ word: String) throws(Problem) -> UInt64 {
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

  func domain(_ word: String) throws(Problem) -> DomainID {
    switch word {
    case "self": return .oneself
    case "io": return .io
    case "xen": return .xen
    default:
      guard let number = UInt16(word) else { throw Problem(expected: "a domain, not \(word)") }
      return DomainID(number)
    }
  }

  func number(_ word: String) throws(Problem) -> Int {
    guard let number = Int(word), number >= 0 else { throw Problem(expected: "a decimal number, not \(word)") }
    return number
  }

  func hexadecimal(_ word: String) throws(Problem) -> UInt64 {
    let digits = word.hasPrefix("0x") ? word.dropFirst(2) : Substring(word)
    guard let value = UInt64(digits, radix: 16), !digits.hasPrefix("+"), !digits.hasPrefix("-") else {
      throw Problem(expected: "a hexadecimal number, not \(word)")
    }
    return value
  }
}
