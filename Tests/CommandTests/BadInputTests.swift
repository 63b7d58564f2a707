import XCTest

/// Every kind of bad input: one line on standard error, nothing on standard output, and the right exit status.
final class BadInputTests: XCTestCase {
  private func assertFails(
    _ words: [String], _ status: Int32, _ message: String, file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let result = try Program.run(words)
    XCTAssertEqual(result.status, status, "\(words): \(result.errors)", file: file, line: line)
    XCTAssertEqual(result.output, "", file: file, line: line)
    XCTAssertTrue(result.errors.hasPrefix("memlab: "), result.errors, file: file, line: line)
    XCTAssertTrue(result.errors.contains(message), "\(message) is not in \(result.errors)", file: file, line: line)
    XCTAssertEqual(result.errors.filter { $0 == "\n" }.count, 1, result.errors, file: file, line: line)
  }

  func testCommands() throws {
    let names =
      "replay, host, compare, sweep, merge, report, reuse, strip, walk, inspect, explain, convert, record, generate, reproduce, modes, "
      + "machines, workloads, help"
    try assertFails([], 64, "expected a command: " + names)
    try assertFails(["repaly"], 64, "no command 'repaly'; did you mean 'replay'?")
    try assertFails(["frobnicate"], 64, "there are " + names)
    try assertFails(["help", "nothing"], 64, "no command 'nothing'")
    try assertFails(["modes", "x"], 64, "'x' is one operand too many")
    try assertFails(["machines", "skylak"], 64, "did you mean 'skylake'?")
    try assertFails(["machines", "8086"], 64, "there are skylake, ")
    try assertFails(["machines", "none.json"], 66, "none.json: no such file")
  }

  func testAClassicProcessorCannotTrapAndEmulate() throws {
    for technique in ["trap-and-emulate", "hardware-assisted"] {
      let keys = ["--set", "sensitiveInstructionsTrap=false", "--set", "cpu.technique=" + technique]
      try assertFails(["replay", "t"] + keys, 64, "cpu.technique=\(technique) on skylake")
    }
    try assertFails(["replay", "t", "--set", "cpu.technique=vt"], 64, "expected none or trap-and-emulate or")
    try assertFails(["replay", "t", "--set", "monitor.range=0+1"], 64, "whole entries of one table")
  }

  func testOptions() throws {
    try assertFails(["replay"], 64, "expected one trace or more")
    try assertFails(["replay", "t", "--mod", "x"], 64, "no option '--mod'; did you mean '--mode'?")
    try assertFails(["replay", "t", "--mode"], 64, "--mode needs a value")
    try assertFails(["replay", "t", "--check=1"], 64, "--check takes no value")
    try assertFails(["replay", "t", "--csv", "a", "--csv", "b"], 64, "--csv is given twice")
    try assertFails(["replay", "t", "--mode", "shaodw"], 64, "did you mean 'shadow'?")
    try assertFails(["replay", "t", "--mode", "native,"], 64, "no mode ''")
    try assertFails(["replay", "t", "--mode", "x"], 64, "there are native, emulated-tlb, shadow, nested, direct, all")
    try assertFails(["replay", "t", "--format", "txt"], 64, "did you mean 'text'?")
    for number in ["0", "-1", "1.5", "many", ""] {
      try assertFails(["replay", "t", "--limit=" + number], 64, "expected a whole number from 1")
    }
    try assertFails(["replay", "t", "--series", "s"], 64, "--series needs --interval")
    try assertFails(["replay", "t", "--interval", "5"], 64, "--interval needs --series")
    try assertFails(["replay", "t", "--csv", "-", "--events", "/dev/stdout"], 64, "only one report")
    try assertFails(["replay", "t", "--csv", "a", "--events", "a"], 64, "same file")
    try assertFails(["replay", "t", "--mode", "all", "--events", "-"], 64, "5 runs write a file each")
    try assertFails(["replay", "-", "-"], 64, "standard input can be read only once")
  }

  /// A file that is read is never replaced, by whatever name it goes.
  func testOutputsThatAreInputs() throws {
    let folder = try TemporaryFolder()
    let text = "memlab-trace 1\n# mine\nr 1000\n"
    let trace = try folder.write(text, to: "own.txt")
    let link = folder.path("link.txt")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: trace)
    for words in [
      ["convert", trace, trace], ["convert", trace, link], ["replay", trace, "--csv", trace],
      ["replay", trace, "--events", link], ["compare", trace, "--csv", trace], ["reuse", trace, "--csv", trace],
    ] {
      try assertFails(words, 64, "is read by the same command")
    }
    for words in [["report", trace, "-o", trace], ["merge", trace, "-o", trace]] {
      let result = try Program.run(words)
      XCTAssertNotEqual(result.status, 0, "\(words)")
    }
    XCTAssertEqual(try String(contentsOfFile: trace, encoding: .utf8), text)
  }

  /// What never ends is no table and no plan.
  func testEndlessInput() throws {
    for words in [
      ["report", "/dev/zero", "-o", "/dev/null"], ["merge", "/dev/zero", "-o", "/dev/null"],
      ["sweep", "/dev/zero", "-o", "/dev/null"],
    ] {
      try assertFails(words, 65, "/dev/zero: is no text")
    }
  }

  func testSettings() throws {
    try assertFails(["replay", "t", "--set", "tlb=5"], 64, "'tlb' is a group of keys: the keys of tlb are l1d, l1i")
    try assertFails(["replay", "t", "--set", "foo=1"], 64, "`memlab modes` lists those of the modes")
    try assertFails(["explain", "frobnicate"], 64, "no name 'frobnicate'; columns are in the header of --csv")
    try assertFails(["replay", "t", "--set", "maxphyaddr"], 64, "expected KEY=VALUE")
    try assertFails(["replay", "t", "--set", "maxphyaddr=99"], 64, "maxphyaddr is 99, expected 32 to 52")
    try assertFails(["replay", "t", "--set", "tlb.l9.4K.ways=1"], 64, "the keys of tlb are l1d, l1i, l2")
    try assertFails(["replay", "t", "--set", "nested.fil=eager"], 64, "did you mean 'nested.fill'?")
    try assertFails(["replay", "t", "--set", "nested.fill=often"], 64, "expected lazy or eager")
    try assertFails(["replay", "t", "--machine", "skylake2"], 64, "did you mean 'skylake'?")
  }

  func testTraces() throws {
    let folder = try TemporaryFolder()
    let broken = try folder.write("memlab-trace 1\nr 10\nr zz\n", to: "broken.txt")
    let junk = try folder.write("hello, world\n", to: "junk.txt")
    for command in ["replay", "inspect"] {
      try assertFails([command, folder.path("none.bin")], 66, "none.bin")
      try assertFails([command, folder.url.path], 66, folder.url.lastPathComponent)
      try assertFails([command, broken], 65, "broken.txt: line 3")
      try assertFails([command, junk], 65, "junk.txt")
      try assertFails([command, try folder.write("", to: "empty.bin")], 65, "empty.bin")
    }
    try assertFails(["convert", broken, folder.path("out.bin")], 65, "broken.txt: line 3")
    let reports = ["--csv", folder.path("out.csv"), "--events", folder.path("e.csv")]
    try assertFails(["replay", broken] + reports, 65, "line 3")
    XCTAssertEqual(folder.files, ["broken.txt", "empty.bin", "junk.txt"], "nothing is left of reports that failed")
  }

  /// What the machine cannot do is told with the line, where the trace has lines and can be read again.
  func testOperationsThatCannotBe() throws {
    let folder = try TemporaryFolder()
    let text = "memlab-trace 1\n# a comment\n\ntable 1000 4 0=5\n1=6\n  2=7\ncr3 1000\ncpu 3\nswitch 7\n"
    let bad = try folder.write(text, to: "bad.txt")
    let message = "'switch', which is for process traces"
    try assertFails(["replay", bad], 65, "bad.txt: line 9, operation 3: \(message)")
    try assertFails(["reuse", bad], 65, "bad.txt: line 9, operation 3: \(message)")
    try assertFails(["walk", bad, "1000", "--at", "4"], 65, "bad.txt: line 9, operation 3: \(message)")
    XCTAssertEqual(try Program.run(["convert", bad, folder.path("bad.bin")]).status, 0)
    try assertFails(["replay", folder.path("bad.bin")], 65, "bad.bin: operation 3: \(message)")
  }

  func testMachineFiles() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("{\n  \"name\": }", to: "m.json")
    try assertFails(["replay", "t", "--machine", file], 65, "m.json: not valid JSON")
    let twice = "{\n  \"a\": [1, {\"b\\\"\": \"a\"}, \"a\", \"a\"],\n  \"c\": {\"a\": 1},\n  \"a\": 2}"
    try assertFails(
      ["replay", "t", "--machine", try folder.write(twice, to: "twice.json")], 65,
      "twice.json: line 4: the key \"a\" stands")
    try assertFails(["replay", "t", "--machine", try folder.write("{}", to: "n.json")], 65, "name is missing")
    try assertFails(["replay", "t", "--machine", folder.path("o.json")], 66, "o.json: no such file")
  }

  func testOutputs() throws {
    let folder = try TemporaryFolder()
    let trace = try folder.write(smallTrace, to: "small.txt")
    for option in ["--csv", "--events"] {
      try assertFails(["replay", trace, option, folder.path("no/such/x")], 73, "no/such/x: no such file or directory")
      try assertFails(["replay", trace, option, folder.url.path], 73, "is a directory")
    }
    try assertFails(["replay", trace, "--csv", "/dev/full"], 74, "/dev/full: no space left on device")
    try assertFails(["convert", trace, folder.path("no/such/x.bin")], 73, "no/such/x.bin")
    try assertFails(["convert", trace], 64, "expected a trace and the file to write")
    try assertFails(["convert", trace, folder.path("x")], 64, "neither .bin nor .txt")
    try assertFails(["convert", trace, "-", "--to", "raw"], 64, "read only")
    try assertFails(["convert", trace, "-", "--to", "texd"], 64, "did you mean 'text'?")
    XCTAssertEqual(folder.files, ["small.txt"])
  }
}
