import Glibc

/// Numbers as people and spreadsheets read them, the same under every locale.
public enum Decimal {
  /// With a fixed number of digits, 0 to 9, behind the point; not-a-number and infinity give `-`.
  public static func fixed(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "-" }
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    let scaled = UInt64((abs(value) * scale).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return sign + String(scaled) }
    let fraction = String(scaled % UInt64(scale))
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return sign + String(scaled / UInt64(scale)) + "." + zeros + fraction
  }

  /// With a comma between groups of three digits.
  public static func grouped(_ value: UInt64) -> String { grouped(digits: String(value)) }

  private static func grouped(digits: some StringProtocol) -> String {
    var text = ""
    for (index, digit) in digits.reversed().enumerated() {
      if index > 0 && index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  /// A share of a whole, in percent; `-` of nothing.
  public static func percent(_ part: UInt64, of whole: UInt64, digits: Int = 2) -> String {
    whole == 0 ? "-" : fixed(100 * Double(part) / Double(whole), digits: digits) + " %"
  }

  /// A quotient for people, with two digits behind the point and a comma between groups of three before it; `-` of
  /// nothing.
  public static func ratio(_ part: UInt64, per whole: UInt64, digits: Int = 2) -> String {
    guard whole > 0 else { return "-" }
    let parts = fixed(Double(part) / Double(whole), digits: digits).split(separator: ".")
    return ([grouped(digits: parts[0])] + parts.dropFirst().map(String.init)).joined(separator: ".")
  }

  /// Hexadecimal without `0x`; empty if there is no value.
  static func hex(_ value: UInt64?) -> String { value.map { String($0, radix: 16) } ?? "" }
}
