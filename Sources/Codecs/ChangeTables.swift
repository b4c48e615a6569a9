internal import CKernels
internal import Glibc

/// The tables of tokens by context, and how they are stored: of each frequency the nearest quarter of an octave, which
/// costs less than a five-hundredth of a bit a token and halves the tables.
struct ChangeTables {
  static var contexts: Int { Int(CK_CHANGE_CONTEXTS) }
  static var tokens: Int { Int(CK_CHANGE_TOKENS) }
  /// Of a quarter of an octave, 1 to 49, what it stands for: 256 for 1, twice that four quarters further.
  private static let weights: [Int] = (0..<49).map { [256, 304, 362, 431][$0 % 4] << ($0 / 4) }

  private static let unchanged = [UInt8](repeating: 0, count: Int(CK_CHANGE_NONE)) + [49]

  /// Quarters by token, 0 for those that do not occur, up to the last that does; empty where the context does not.
  private let quarters: [[UInt8]]

  /// The tables of tokens that were counted; `counts` holds `tokens` numbers for each context. The first context, where
  /// nothing changed, needs none.
  init(counts: UnsafeBufferPointer<UInt32>) {
    quarters = (0..<Self.contexts).map { context in
      let row = UnsafeBufferPointer(rebasing: counts[context * Self.tokens..<(context + 1) * Self.tokens])
      let total = Double(row.reduce(0) { $0 + Int($1) })
      let last = context == 0 ? -1 : row.lastIndex { $0 > 0 } ?? -1
      return row[..<(last + 1)].map { count in
        count == 0 ? 0 : UInt8(max(0, (4 * log2(Double(count) * 4096 / total)).rounded()) + 1)
      }
    }
  }

  /// The frequencies of a context's tokens, which add up to 4096. Where it has no table, all are "no change".
  func frequencies(_ context: Int) -> [UInt16] {
    let row = quarters[context].isEmpty ? Self.unchanged : quarters[context]
    let weights = row.map { $0 == 0 ? 0 : Self.weights[Int($0) - 1] }
    let total = weights.reduce(0, +)
    var frequencies = weights.map { $0 == 0 ? 0 : max(1, $0 * FrequencyTable.scale / total) }
    // What rounding leaves, or takes too much, is the most frequent token's: of 128 at most it has a 32nd of all.
    if let largest = frequencies.indices.max(by: { (frequencies[$0], $1) < (frequencies[$1], $0) }) {
      frequencies[largest] += FrequencyTable.scale - frequencies.reduce(0, +)
    }
    return frequencies.map { UInt16(clamping: $0) }
  }

  /// Whether a context has no table.
  func isEmpty(_ context: Int) -> Bool { quarters[context].isEmpty }

  /// For each context the number of tokens up to the last that occurs, then of each the change of the quarters from the
  /// one before, folded.
  var bytes: [UInt8] {
    quarters.flatMap { row -> [UInt8] in
      var before = 0
      return [UInt8(row.count)]
        + row.map { quarter in
          let step = Int(quarter) - before
          before = Int(quarter)
          return UInt8(step < 0 ? -2 * step - 1 : 2 * step)
        }
    }
  }

  /// Reads them again; nil where they are none.
  init?(bytes: UnsafeRawBufferPointer) {
    var rest = bytes[...]
    var rows: [[UInt8]] = []
    for _ in 0..<Self.contexts {
      guard let count = rest.popFirst(), count <= Self.tokens, count <= rest.count else { return nil }
      var quarter = 0
      var row: [UInt8] = []
      for byte in rest.prefix(Int(count)) {
        quarter += byte & 1 == 1 ? -(Int(byte) + 1) / 2 : Int(byte) / 2
        guard (0...Self.weights.count).contains(quarter) else { return nil }
        row.append(UInt8(quarter))
      }
      guard row.last != 0 else { return nil }
      rest = rest.dropFirst(Int(count))
      rows.append(row)
    }
    guard rest.isEmpty else { return nil }
    quarters = rows
  }
}
