extension Int {
  /// Bytes for people, in decimal units: `999 B`, `1.2 kB`, `34.5 GB`.
  var asSize: String {
    guard self >= 1000 else { return "\(self) B" }
    var tenths = (self + 50) / 100
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
      if tenths < 9995 || unit == "PB" { return "\(tenths / 10).\(tenths % 10) \(unit)" }
      tenths = (tenths + 500) / 1000
    }
    return "\(self) B"
  }

  /// With a comma at each thousand.
  var grouped: String {
    var digits = String(magnitude)
    var groups: [String] = []
    while digits.utf8.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (self < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// `1 tensor`, `1,200 tensors`.
  func of(_ singular: String, _ plural: String? = nil) -> String {
    "\(grouped) \(self == 1 ? singular : plural ?? singular + "s")"
  }
}

extension Double {
  /// At most two decimals, without idle zeros: `0.5`, `12.31`.
  var short: String {
    guard isFinite, magnitude < 1e12 else { return String(self) }
    var text = String((self * 100).rounded() / 100)
    if text.hasSuffix(".0") { text.removeLast(2) }
    return text
  }
}

extension String {
  /// An id as people read it: the first 12 digits.
  var shortID: String { String(prefix(12)) }

  /// `2026-05-01T12:34:56Z` as `2026-05-01 12:34`.
  var asTime: String {
    guard utf8.count >= 16, utf8.dropFirst(10).first == UInt8(ascii: "T") else { return self }
    return prefix(10) + " " + dropFirst(11).prefix(5)
  }

  /// Characters that could move a terminal's cursor are shown as `?`: texts come from files that others made.
  var plain: String {
    if isPrintable { return self }
    return String(
      String.UnicodeScalarView(
        unicodeScalars.map { scalar in
          switch scalar.properties.generalCategory {
          case .control, .format, .lineSeparator, .paragraphSeparator: "?"
          default: scalar
          }
        }))
  }

  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - columns)) }

  /// Places it takes on a terminal. Walking graphemes is slow, and most texts have one byte a grapheme.
  var columns: Int { isPrintable ? utf8.count : count }

  /// Whether it is printable ASCII only.
  private var isPrintable: Bool { utf8.allSatisfy { (0x20...0x7E).contains($0) } }
}

/// Rows of texts in columns, two blanks apart.
struct Table {
  private var rows: [[String]]
  /// Columns whose texts end at the right: numbers.
  private let numbers: Set<Int>

  init(_ heads: [String] = [], numbers: Set<Int> = []) {
    rows = heads.isEmpty ? [] : [heads]
    self.numbers = numbers
  }

  mutating func add(_ cells: [String]) {
    rows.append(cells.map(\.plain))
  }

  var text: String {
    var widths: [Int] = []
    let places = rows.map { cells in cells.map(\.columns) }
    for row in places {
      for (column, width) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], width)
      }
    }
    var text: [UInt8] = []
    for (cells, places) in zip(rows, places) {
      if !text.isEmpty { text.append(0x0A) }
      // Blanks are owed until something follows them, so that no line ends in one.
      var owed = 0
      for column in cells.indices {
        let padding = widths[column] - places[column]
        if numbers.contains(column) { owed += padding }
        if places[column] > 0 {
          text.append(contentsOf: repeatElement(0x20, count: owed))
          text.append(contentsOf: cells[column].utf8)
          owed = 0
        }
        owed += (numbers.contains(column) ? 0 : padding) + 2
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// `key   value` lines.
func facts(_ lines: [(String, String?)]) -> String {
  let width = lines.map(\.0.columns).max() ?? 0
  return lines.compactMap { key, value in value.map { "\(key.padded(to: width))  \($0.plain)" } }
    .joined(separator: "\n")
}
