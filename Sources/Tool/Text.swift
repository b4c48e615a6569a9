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
  fileprivate var isPrintable: Bool {
    var text = self
    return text.withUTF8 { bytes in
      var wrong: UInt8 = 0
      for byte in bytes { wrong |= byte &- 0x20 > 0x5E ? 1 : 0 }
      return wrong == 0
    }
  }
}

/// Rows of texts in columns, two blanks apart. Cells lie flat, because a list may have tens of thousands.
struct Table {
  private var cells: [String]
  private var places: [Int]
  private var widths: [Int]
  /// Columns whose texts end at the right: numbers.
  private let numbers: Set<Int>

  init(_ heads: [String], numbers: Set<Int> = []) {
    cells = heads
    places = heads.map(\.columns)
    widths = places
    self.numbers = numbers
  }

  /// Adds a row; one cell for each head.
  mutating func add(_ row: [String]) {
    for (column, cell) in row.enumerated() {
      let isPrintable = cell.isPrintable
      let cell = isPrintable ? cell : cell.plain
      let place = isPrintable ? cell.utf8.count : cell.columns
      cells.append(cell)
      places.append(place)
      widths[column] = max(widths[column], place)
    }
  }

  var text: String {
    var text: [UInt8] = []
    text.reserveCapacity(cells.count / widths.count * (widths.reduce(0, +) + 2 * widths.count))
    for start in stride(from: 0, to: cells.count, by: widths.count) {
      if start > 0 { text.append(0x0A) }
      // Blanks are owed until something follows them, so that no line ends in one.
      var owed = 0
      for column in widths.indices {
        let padding = widths[column] - places[start + column]
        let isNumber = numbers.contains(column)
        if isNumber { owed += padding }
        if places[start + column] > 0 {
          text.append(contentsOf: repeatElement(0x20, count: owed))
          text.append(contentsOf: cells[start + column].utf8)
          owed = 0
        }
        owed += (isNumber ? 0 : padding) + 2
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
