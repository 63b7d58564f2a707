import XCTest

/// `memlab walk`.
final class WalkTests: XCTestCase {
  private func walk(_ words: [String], trace: String = smallTrace) throws -> Program {
    let folder = try TemporaryFolder()
    let path = try folder.write(trace, to: "small.txt")
    return try Program.run(["walk", path] + words)
  }

  private func lines(_ words: [String]) throws -> [String] {
    let result = try walk(words)
    XCTAssertEqual(result.status, 0, result.errors)
    return result.output.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
  }

  func testNestedWalkIsAGrid() throws {
    let found = try lines([
      "10", "--at", "10", "--mode", "nested", "--machine", "textbook", "--set", "nested.fill=eager",
    ])
    XCTAssertEqual(found[0], "user load from 10 before operation 10 of small, mode nested, on textbook")
    for line in [
      "L1 TLB: miss", "L2 TLB: miss", "walk 1", "nested L4 nested L3 nested L2 nested L1 guest's entry",
      "the L4 table 1 2 3 4 5", "the L3 table 6 7 8 9 10", "the L2 table 11 12 13 14 15", "the L1 table 16 17 18 19 20",
      "the page 21 22 23 24 .",
    ] { XCTAssertTrue(found.contains(line), "\(line) is not in\n\(found.joined(separator: "\n"))") }
    // The guest's leaf: its entry's value, and that it leads to the page.
    XCTAssertTrue(found.contains { $0.hasPrefix("20 ") && $0.hasSuffix(" 7067 guest L1 the page") })
  }

  func testNativeWalkIsAList() throws {
    let found = try lines(["10", "--at", "10", "--mode", "native", "--machine", "textbook"])
    XCTAssertEqual(
      found.dropFirst(3),
      [
        "walk 1", "# entry at value in to find", "1 1000 2027 table L4 the L3 table",
        "2 2000 3027 table L3 the L2 table", "3 3000 4027 table L2 the L1 table", "4 4000 7067 table L1 the page",
        "the page is machine page 7, for the TLB a page of 4K",
      ])
  }

  func testTheGuestsTablesStandBesideTheShadow() throws {
    let found = try lines(["10", "--at", "10", "--mode", "shadow"])
    let first = try XCTUnwrap(found.firstIndex(of: "level shadow at value guest's at value"), "\(found)")
    XCTAssertEqual(found[(first + 1)...].map { String($0.prefix(3)) }, ["L4 ", "L3 ", "L2 ", "L1 "])
    XCTAssertTrue(found[first + 1].hasSuffix(" 1000 2027") && found[first + 4].hasSuffix(" 4000 7067"), "\(found)")
  }

  func testXensBooksOfTheFrames() throws {
    let found = try lines(["10", "--at", "10", "--mode", "direct", "--machine", "textbook"])
    let first = try XCTUnwrap(found.firstIndex(of: "frame type count references type"), "\(found)")
    // The base holds the pin and its use; each table below is held by the entry above, the page by two mappings of it.
    XCTAssertEqual(
      found[(first + 1)...].map { $0.split(separator: " ").dropFirst().joined(separator: " ") },
      [
        "2 2 L4 table, validated, pinned", "1 1 L3 table, validated", "1 1 L2 table, validated",
        "1 1 L1 table, validated",
        "1 1 writable",
      ])
  }

  func testCachesAreNamed() throws {
    let caches = ["--set", "nestedCaches.tlb.4K+2M+1G.entries=16", "--set", "nestedCaches.structures.pde=4"]
    let hits = try lines(["2000", "--at", "8", "--mode", "nested"] + caches)
    XCTAssertTrue(hits.contains { $0.hasPrefix("- paging-structure cache:") && $0.hasSuffix("on at L1 the L1 table") })
    let found = try lines(["1010", "--at", "8", "--mode", "nested"] + caches)
    XCTAssertTrue(found.contains { $0.hasPrefix("L1 TLB: hit, machine page ") })
    XCTAssertTrue(
      found.contains { $0.hasPrefix("- nested TLB:") && $0.hasSuffix("nothing more to read the page") },
      found.joined(separator: "\n"))
  }

  func testFaultsAndViolationsAreTold() throws {
    for mode in ["native", "emulated-tlb", "shadow", "nested", "direct"] {
      let found = try lines(["5000", "--at", "10", "--mode", mode])
      XCTAssertTrue(found.contains { $0.hasSuffix("the guest gets a page fault with code 4") }, mode)
    }
    let lazy = try lines(["10", "--at", "6", "--mode", "nested", "--machine", "textbook"])
    XCTAssertEqual(lazy.count { $0.hasPrefix("ept-violation ") }, 5)
    XCTAssertTrue(lazy.contains("walk 6"))
    let high = try lines(["8000000000000000", "--at", "10"])
    XCTAssertTrue(high.contains("the address is not canonical: a general-protection fault"))
  }

  func testWrongWords() throws {
    for (words, message) in [
      (["10"], "expected --at N, the operation before which the address is translated"),
      (["10", "--at", "x"], "--at x: expected a whole number"),
      (["zz", "--at", "1"], "zz: expected a hexadecimal address"),
      (["10", "--at", "1", "--mode", "all"], "--mode: expected one mode"), ([], "expected a trace and an address"),
    ] {
      let result = try walk(words)
      XCTAssertEqual(result.status, 64)
      XCTAssertEqual(result.errors, "memlab: \(message)\n")
    }
    let result = try walk(["10", "--at", "99"])
    XCTAssertEqual(result.status, 64)
    XCTAssertTrue(result.errors.hasSuffix("has 10 operations\n"), result.errors)
  }
}
