import Foundation
import Machine
import Reporting
import XCTest

/// The page of `memlab report`, as text; `scripts/check-report` looks at it in a browser.
final class ReportPageTests: XCTestCase {
  private func run(_ mode: Mode, trace: String = "t", settings: String = "", _ set: (inout Counters) -> Void = { _ in })
    -> Run
  {
    var counters = Counters()
    counters.operations = 1_000_000
    counters.loads = 10
    set(&counters)
    var run = Run(trace: trace, mode: mode, machine: "skylake", counters: counters, seconds: 1)
    run.settings = settings
    return run
  }

  private func page(_ runs: [Run]) throws -> String {
    ReportPage([try ReportTable(name: "x/runs.csv", text: CounterTable.csv(runs))], version: "9").html
  }

  private func matches(_ pattern: String, in text: String) -> [String] {
    let expression = try? NSRegularExpression(pattern: pattern)
    let whole = NSRange(text.startIndex..., in: text)
    return (expression?.matches(in: text, range: whole) ?? []).compactMap {
      Range($0.range(at: 1), in: text).map { String(text[$0]) }
    }
  }

  func testBarsAreAsLongAsTheirCounts() throws {
    let html = try page([
      run(.native), run(.shadow) { ($0.hiddenFill, $0.hiddenTrace) = (30, 10) },
      run(.nested) { ($0.hiddenFill, $0.hiddenHost) = (15, 5) },
    ])
    let shown = matches("<rect class=\"b.\" (x=\"[^>]*data-d=\"hidden_[^>]*)/>", in: html)
    XCTAssertEqual(
      shown,
      [
        "x=\"0.000%\" width=\"75.000%\" height=\"100%\" data-d=\"hidden_fill\" data-v=\"30\"",
        "x=\"75.000%\" width=\"25.000%\" height=\"100%\" data-d=\"hidden_trace\" data-v=\"10\"",
        "x=\"0.000%\" width=\"37.500%\" height=\"100%\" data-d=\"hidden_fill\" data-v=\"15\"",
        "x=\"37.500%\" width=\"12.500%\" height=\"100%\" data-d=\"hidden_host\" data-v=\"5\"",
      ])
    XCTAssertTrue(html.contains("<b data-d=\"hidden_faults\">40</b> faults"))
    XCTAssertFalse(html.contains("data-d=\"hidden_dirty\""), "a class that is 0 everywhere has no legend")
  }

  func testEveryFigureHasItsDefinitionOnThePage() throws {
    let html = try page([
      run(.shadow) { counters in
        withUnsafeMutableBytes(of: &counters) { bytes in
          let words = bytes.bindMemory(to: UInt64.self)
          for index in words.indices { words[index] = UInt64(index) + 1 }
        }
      }
    ])
    let columns = Set(matches("data-d=\"([^\"]*)\"", in: html))
    XCTAssertTrue(columns.isSuperset(of: CounterTable.columns.map(\.name)))
    for column in columns {
      let definition = try XCTUnwrap(Definitions.of(column), column)
      XCTAssertEqual(matches("<div id=\"(def-\(column))\"><dt>", in: html).count, 1, column)
      XCTAssertFalse(definition.unit.isEmpty)
    }
  }

  func testWhatIsInTheTableIsText() throws {
    let html = try page([run(.shadow, trace: "<script>alert('1')</script>&\"")])
    XCTAssertFalse(html.contains("<script>alert"))
    XCTAssertTrue(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"))
  }

  func testOnlySettingsThatVaryTellGroupsApart() throws {
    let html = try page([
      run(.native, settings: "tlb.spurious=on shadow.zeros=1") {
        $0.trueFaults = 1; $0.cycles.delivery = 10
      },
      run(.shadow, settings: "tlb.spurious=on shadow.zeros=1") { $0.cycles.delivery = 25 },
      run(.shadow, settings: "tlb.spurious=on shadow.zeros=2") { $0.cycles.delivery = 30 },
    ])
    XCTAssertEqual(Set(matches("<h3>(.*)</h3>", in: html)), ["t shadow.zeros=1", "t shadow.zeros=2"])
    XCTAssertTrue(html.contains("<dd>tlb.spurious=on shadow.zeros=1|2</dd>"))
    XCTAssertEqual(matches("data-d=\"against_native\">([^<]*)<", in: html), ["2.50"])
  }

  func testDivergencesAndSkippedPointsAreTold() throws {
    XCTAssertFalse(try page([run(.native)]).contains("class=\"warning\""))
    XCTAssertTrue(try page([run(.native) { $0.divergences = 3 }]).contains("not to be trusted: t under native.</p>"))
    let sweep = "trace,mode,status,reason,accesses\nt,native,ok,,5\nt,shadow,skipped,no <way>,\n"
    let html = ReportPage([try ReportTable(name: "s.csv", text: sweep)], version: "9").html
    XCTAssertTrue(html.contains("<li>1 point: no &lt;way&gt;</li>"))
    XCTAssertTrue(html.contains("<dd>1 run, 1 skipped</dd>"))
  }

  func testASeriesIsThinnedOutWithoutLosingItsMean() throws {
    var text = Series.header
    var series = Series()
    var counters = Counters()
    for row in 1...1000 {
      counters.operations += 100
      counters.hiddenFill += row % 5 == 0 ? 50 : 0
      counters.shadowPages = UInt64(row)
      text += series.row(to: counters)
    }
    let html = ReportPage([try ReportTable(name: "a/series-shadow.csv", text: text)], version: "9").html
    let lines = matches("data-name=\"series-shadow.csv\" data-v=\"([^\"]*)\"", in: html)
    XCTAssertEqual(lines.count, 2, "hidden faults and shadow pages: everything else is 0")
    for line in lines { XCTAssertEqual(line.split(separator: " ").count, 334) }
    XCTAssertTrue(lines[0].hasPrefix("0 16.7 0 16.7 16.7 0 16.7"), String(lines[0].prefix(40)))
    XCTAssertTrue(lines[1].hasPrefix("3 6 9 12 "), String(lines[1].prefix(40)))
    XCTAssertTrue(html.contains("<p class=\"axis\">1,000 pages</p>"))
    XCTAssertTrue(html.contains("<span>operation 100,000</span>"))
  }

  func testAShortSeriesIsShownAsItIs() throws {
    let text = "first_operation,operations,exits\n0,10,5\n10,10,1250\n20,10,0\n"
    let html = ReportPage([try ReportTable(name: "s.csv", text: text)], version: "9").html
    XCTAssertEqual(matches("data-v=\"([^\"]*)\"", in: html), ["5 1,250 0"])
    XCTAssertEqual(matches("class=\"axis\">([^<]*)<", in: html), ["1,250 exits in 10 operations"])
    XCTAssertEqual(
      matches("points=\"([^\"]*)\"", in: html),
      ["0.00,98.61 133.33,98.61 133.33,1.00 266.67,1.00 266.67,99.00 400.00,99.00"])
  }

  func testTheSameTablesGiveTheSamePage() throws {
    let runs = [run(.native), run(.shadow) { $0.hiddenFill = 1 }]
    XCTAssertEqual(try page(runs), try page(runs))
  }

  func testWhatIsNoReportIsRefused() {
    for (text, line, message) in [
      ("", 1, "is empty"), ("a,b\n1,2\n", 1, "neither rows of runs (columns trace, mode) nor a series"),
      ("trace,mode\n", 2, "expected a row behind the header"), ("trace,mode\nt,bogus\n", 2, "no mode 'bogus'"),
      ("trace,mode,loads\nt,native,x\n", 2, "loads is 'x', expected a whole number"),
    ] {
      do throws(CSV.ReadingError) {
        _ = try ReportTable(name: "x", text: text)
        XCTFail("is no error: \(text)")
      } catch {
        XCTAssertEqual(error.line, line)
        XCTAssertTrue(error.message.hasPrefix(message), error.message)
      }
    }
  }
}
