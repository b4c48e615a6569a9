import Glibc
import ModelStore

/// How far two models are apart, a row a layer and a column a kind of tensor; in 80 columns.
struct HeatMap {
  private struct Row: Hashable {
    let stack: String
    let layer: Int
  }

  private static let shades = Array(" .:-=+*#%@")
  /// The relative L2 at which each shade but the first ends.
  private static let limits = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3]
  private static let width = 80
  private static let order = ["q", "k", "v", "o", "gate", "up", "down"]

  /// The darkest tensor of each place: 0 is equal, infinite what cannot be told.
  private var cells: [Row: [String: Double]] = [:]
  private var outside: [(name: String, value: Double)] = []

  init(_ tensors: [DiffReport.TensorLine]) {
    for tensor in tensors {
      // Other bits in what has no arithmetic are as far as can be.
      let value = tensor.relativeL2 ?? (tensor.changed == 0 ? 0 : .infinity)
      // Equal as numbers and not in bits (zeros of two signs) is the lightest shade, not none.
      let shown = tensor.changed > 0 ? max(value, .leastNormalMagnitude) : value
      guard let layer = tensor.place.layer else {
        outside.append((tensor.place.kind, shown))
        continue
      }
      let row = Row(stack: tensor.place.stack, layer: layer)
      cells[row, default: [:]][tensor.place.kind] = max(cells[row]?[tensor.place.kind] ?? 0, shown)
    }
  }

  var text: String {
    guard !cells.isEmpty else { return "" }
    let rows = cells.keys.sorted { ($0.stack, $0.layer) < ($1.stack, $1.layer) }
    let stacks = Set(rows.map(\.stack))
    let labels = rows.map { stacks.count == 1 ? "\($0.layer)" : "\(Self.shortened($0.stack)).\($0.layer)" }
    let margin = max(5, labels.map(\.columns).max() ?? 0)
    let kinds = columns(margin: margin)
    var lines = ["LAYER".padded(to: margin) + kinds.map { "  " + $0.plain }.joined()]
    for (row, label) in zip(rows, labels) {
      let shades = kinds.map { kind in
        let shade = cells[row]?[kind].map(Self.shade) ?? " "
        return "  " + String(repeating: shade, count: kind.plain.columns)
      }
      lines.append(Self.trimmed(label.plain.padded(to: margin) + shades.joined()))
    }
    if !outside.isEmpty {
      let texts = outside.map { "\($0.name.plain) \($0.value == 0 ? "equal" : String(Self.shade($0.value)))" }
      lines += Self.wrapped(texts, first: "outside of layers: ")
    }
    lines.append("relative L2: blank equal, below 0.0001 . 0.0003 : 0.001 - 0.003 = 0.01 +")
    lines.append("             0.03 * 0.1 # 0.3 %, above @")
    return lines.joined(separator: "\n")
  }

  /// As many kinds as fit, the usual ones first.
  private func columns(margin: Int) -> [String] {
    let all = Set(cells.values.flatMap(\.keys))
    let sorted = Self.order.filter(all.contains) + all.subtracting(Self.order).sorted()
    var room = Self.width - margin
    return sorted.filter { kind in
      room -= kind.plain.columns + 2
      return room >= 0
    }
  }

  private static func shade(_ value: Double) -> Character {
    if value == 0 { return shades[0] }
    return shades[1 + (limits.firstIndex { value < $0 } ?? limits.count)]
  }

  private static func shortened(_ stack: String) -> String {
    stack.split(separator: ".").suffix(2).joined(separator: ".").plain
  }

  private static func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
  }

  private static func wrapped(_ texts: [String], first: String) -> [String] {
    var lines = [first]
    for (index, text) in texts.enumerated() {
      let piece = text + (index + 1 < texts.count ? ", " : "")
      if lines[lines.count - 1].columns + piece.columns > width, lines[lines.count - 1] != first { lines.append("  ") }
      lines[lines.count - 1] += piece
    }
    return lines.map(trimmed)
  }
}

extension Double {
  /// So many significant digits, without idle zeros: `0.01234`, `1e-07`.
  func digits(_ count: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 40)
    withVaList([count, self]) { _ = vsnprintf(&buffer, 40, "%.*g", $0) }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
