import Machine
import Paging
import XCTest

@testable import Reporting

/// Numbers and fields.
final class TextTests: XCTestCase {
  func testFixed() {
    XCTAssertEqual(Decimal.fixed(0, digits: 2), "0.00")
    XCTAssertEqual(Decimal.fixed(1.005, digits: 1), "1.0")
    XCTAssertEqual(Decimal.fixed(9.999, digits: 2), "10.00")
    XCTAssertEqual(Decimal.fixed(-0.26, digits: 1), "-0.3")
    XCTAssertEqual(Decimal.fixed(-0.01, digits: 1), "0.0")
    XCTAssertEqual(Decimal.fixed(0.000_012, digits: 6), "0.000012")
    XCTAssertEqual(Decimal.fixed(2.5, digits: 0), "3")
    XCTAssertEqual(Decimal.fixed(.nan, digits: 2), "-")
    XCTAssertEqual(Decimal.fixed(.infinity, digits: 2), "-")
  }

  func testGroupedAndShares() {
    XCTAssertEqual(Decimal.grouped(0), "0")
    XCTAssertEqual(Decimal.grouped(999), "999")
    XCTAssertEqual(Decimal.grouped(1000), "1,000")
    XCTAssertEqual(Decimal.grouped(.max), "18,446,744,073,709,551,615")
    XCTAssertEqual(Decimal.percent(1, of: 3), "33.33 %")
    XCTAssertEqual(Decimal.percent(1, of: 0), "-")
    XCTAssertEqual(Decimal.ratio(5, per: 2), "2.50")
    XCTAssertEqual(Decimal.ratio(5, per: 0), "-")
    XCTAssertEqual(Decimal.ratio(12_345_678, per: 10), "1,234,567.80")
    XCTAssertEqual(Decimal.ratio(.max, per: 1), "-", "too large for its digits")
  }

  func testQuoting() {
    XCTAssertEqual(
      CSV.line(["a", "", "b,c", "d\"e", "f\ng", "h\r\ni", " j "]),
      "a,,\"b,c\",\"d\"\"e\",\"f\ng\",\"h\r\ni\", j \n")
  }

  func testEventRows() {
    XCTAssertEqual(EventLog.header, "operation,cpu,vm,kind,cause,va,pa,error_code,value,result\n")
    var fault = Event(operation: 12, cpu: 1, kind: .trueFault, cause: "write")
    fault.virtual = VirtualAddress(0xffff_8000_0000_1000)
    fault.code = [.present, .write]
    XCTAssertEqual(EventLog.row(fault), "12,1,0,true_fault,write,ffff800000001000,,3,,\n")
    var load = Event(operation: 0, cpu: 0, kind: .load, cause: "")
    load.vm = 2
    load.physical = PhysicalAddress(0xabc0)
    load.value = 0
    XCTAssertEqual(EventLog.row(load), "0,0,2,load,,,abc0,,0,\n")
    var call = Event(operation: 3, cpu: 0, kind: .hypercall, cause: "mmu_update 1,2")
    call.result = "-22"
    XCTAssertEqual(EventLog.row(call), "3,0,0,hypercall,\"mmu_update 1,2\",,,,,-22\n")
  }

  func testASeriesGivesSumsOfIntervalsAndLevelsAsTheyStand() {
    var series = Series()
    var counters = Counters()
    counters.operations = 100
    counters.loads = 60
    counters.shadowPages = 9
    let first = Self.fields(series.row(to: counters))
    counters.operations = 150
    counters.loads = 70
    counters.shadowPages = 4
    let second = Self.fields(series.row(to: counters))
    XCTAssertEqual([first["first_operation"], first["operations"], first["loads"]], ["0", "100", "60"])
    XCTAssertEqual([second["first_operation"], second["operations"], second["loads"]], ["100", "50", "10"])
    XCTAssertEqual([first["shadow_pages"], second["shadow_pages"]], ["9", "4"])
  }

  private static func fields(_ row: String) -> [String: String] {
    let names = Series.header.dropLast().split(separator: ",").map(String.init)
    return Dictionary(uniqueKeysWithValues: zip(names, row.dropLast().split(separator: ",").map(String.init)))
  }
}
