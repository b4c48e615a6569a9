internal import CKernels
internal import Glibc

/// The tables of tokens by context, and how they are stored: of each frequency the nearest quarter of an octave, which
/// costs less than a three-hundredth of a bit a token and more than halves the tables.
struct ChangeTables {
  static let contexts = Int(CK_CHANGE_CONTEXTS)
  static let tokens = Int(CK_CHANGE_TOKENS)
  /// What frequencies add up to.
  static let scale = ck_rans_scale(ChangeCodec.lanes)
  /// Of a quarter of an octave, 1 to 45, what it stands for: 256 for 1, twice that four quarters further.
  private static let weights: [UInt32] = (0..<45).map { [256, 304, 362, 431][$0 % 4] << UInt32($0 / 4) }

  /// For each context a row of `tokens`: 0 for those that do not occur.
  private var quarters = [UInt8](repeating: 0, count: contexts * tokens)
  /// For each context how many tokens there are up to the last that occurs: none where it does not occur.
  private var counts = [UInt8](repeating: 0, count: contexts)

  /// The tables of tokens that were counted; `counted` holds `tokens` numbers for each context. The first context,
  /// where nothing changed, needs none.
  init(counted: UnsafeBufferPointer<UInt32>) {
    for context in 1..<Self.contexts {
      let row = UnsafeBufferPointer(rebasing: counted[context * Self.tokens..<(context + 1) * Self.tokens])
      let total = row.reduce(0.0) { $0 + Double($1) }
      for token in row.indices where row[token] > 0 {
        let quarter = (4 * log2(Double(row[token]) * Double(Self.scale) / total)).rounded()
        quarters[context * Self.tokens + token] = UInt8(max(0, quarter) + 1)
        counts[context] = UInt8(token + 1)
      }
    }
  }

  /// Whether a context has no table.
  func isEmpty(_ context: Int) -> Bool { counts[context] == 0 }

  /// Puts the frequencies of a context's tokens, which add up to `scale`, into `out`, which has room for all tokens.
  /// Where it has no table, all are "no change".
  func frequencies(_ context: Int, into out: UnsafeMutablePointer<UInt16>) {
    out.update(repeating: 0, count: Self.tokens)
    guard counts[context] > 0 else { return out[Int(CK_CHANGE_NONE)] = UInt16(Self.scale) }
    let row = context * Self.tokens..<context * Self.tokens + Int(counts[context])
    let total = quarters[row].reduce(0 as UInt32) { $1 == 0 ? $0 : $0 + Self.weights[Int($1) - 1] }
    var (left, largest) = (Self.scale, 0)
    for (token, quarter) in quarters[row].enumerated() where quarter > 0 {
      let share = max(1, UInt64(Self.weights[Int(quarter) - 1]) * UInt64(Self.scale) / UInt64(total))
      out[token] = UInt16(share)
      left -= Int(share)
      if out[token] > out[largest] { largest = token }
    }
    // What rounding leaves is the most frequent token's; where many rare ones take too much, the most frequent give.
    while left < 0 {
      let given = min(-left, Int(out[largest]) / 2)
      out[largest] -= UInt16(given)
      left += given
      for token in 0..<row.count where out[token] > out[largest] { largest = token }
    }
    out[largest] += UInt16(left)
  }

  /// For each context the number of tokens up to the last that occurs, then of each the change of the quarters from the
  /// one before, folded.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for context in 0..<Self.contexts {
      bytes.append(counts[context])
      var before = 0
      for token in 0..<Int(counts[context]) {
        let quarter = Int(quarters[context * Self.tokens + token])
        let step = quarter - before
        bytes.append(UInt8(step < 0 ? -2 * step - 1 : 2 * step))
        before = quarter
      }
    }
    return bytes
  }

  /// Reads them again; nil where they are none.
  init?(bytes: UnsafeRawBufferPointer) {
    var at = 0
    for context in 0..<Self.contexts {
      guard at < bytes.count, bytes[at] <= Self.tokens, Int(bytes[at]) < bytes.count - at else { return nil }
      let count = Int(bytes[at])
      var quarter = 0
      for token in 0..<count {
        let step = Int(bytes[at + 1 + token])
        quarter += step & 1 == 1 ? -(step + 1) / 2 : step / 2
        guard (0...Self.weights.count).contains(quarter) else { return nil }
        quarters[context * Self.tokens + token] = UInt8(quarter)
      }
      guard count == 0 || quarter > 0 else { return nil }
      counts[context] = UInt8(count)
      at += 1 + count
    }
    guard at == bytes.count else { return nil }
  }
}
