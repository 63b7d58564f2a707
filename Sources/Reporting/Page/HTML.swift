/// Text of a page.
enum HTML {
  /// The text with everything replaced that would mean something else.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// A column's name that shows its definition on hover, on focus and on a tap.
  static func term(_ column: String, _ label: String? = nil) -> String {
    "<span class=\"term\" tabindex=\"0\" data-d=\"\(escaped(column))\">\(escaped(label ?? column))</span>"
  }
}
