internal import CKernels

/// Frequencies of symbols that add up to 4096, as the entropy coder wants them.
struct FrequencyTable {
  static var scale: Int { ck_rans_scale(NibbleCoder.lanes) }

  private(set) var frequencies: [UInt16]

  /// Proportional to the counts, at least 1 for each symbol that occurs: rounded down, and what is left goes to the
  /// largest remainders. Nil where nothing occurs.
  init?(counts: some Collection<Int>) {
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    var left = Self.scale
    var remainders: [(symbol: Int, size: Int)] = []
    frequencies = counts.enumerated().map { symbol, count in
      if count == 0 { return 0 }
      let (share, remainder) = (count * Self.scale).quotientAndRemainder(dividingBy: total)
      left -= max(1, share)
      remainders.append((symbol, share == 0 ? 0 : remainder))
      return UInt16(max(1, share))
    }
    for (symbol, _) in remainders.sorted(by: { ($1.size, $0.symbol) < ($0.size, $1.symbol) }) where left > 0 {
      frequencies[symbol] += 1
      left -= 1
    }
    while left < 0 {
      let largest = frequencies.indices.max { frequencies[$0] < frequencies[$1] }!
      frequencies[largest] -= 1
      left += 1
    }
  }

  /// Of each symbol its frequency and, in the upper half, the sum of those before it.
  var codes: [UInt32] { Self.codes(frequencies) }

  /// The same of frequencies that another table has.
  static func codes(_ frequencies: some Sequence<UInt16>) -> [UInt32] {
    var start: UInt32 = 0
    return frequencies.map { frequency in
      defer { start += UInt32(frequency) }
      return UInt32(frequency) | start << 16
    }
  }

  /// Appends which of at most 16 symbols occur, and the frequencies of all but the last in groups of seven bits.
  func write(to out: inout [UInt8]) {
    let present = frequencies.indices.filter { frequencies[$0] > 0 }
    let map = present.reduce(0 as UInt16) { $0 | 1 << UInt16($1) }
    out += [UInt8(truncatingIfNeeded: map), UInt8(map >> 8)]
    for symbol in present.dropLast() {
      var value = frequencies[symbol]
      while value > 127 {
        out.append(UInt8(truncatingIfNeeded: value) | 0x80)
        value >>= 7
      }
      out.append(UInt8(value))
    }
  }

  /// Reads the same from the front of `bytes`; nil where it is cut short or the frequencies are no table.
  init?(from bytes: inout Slice<UnsafeRawBufferPointer>) {
    guard bytes.count >= 2 else { return nil }
    let map = UInt16(bytes.removeFirst()) | UInt16(bytes.removeFirst()) << 8
    guard map != 0 else { return nil }
    frequencies = [UInt16](repeating: 0, count: 16)
    let last = 15 - map.leadingZeroBitCount
    var left = Self.scale
    for symbol in 0..<last where map >> UInt16(symbol) & 1 == 1 {
      guard let low = bytes.popFirst() else { return nil }
      var value = Int(low & 0x7F)
      if low > 127 {
        guard let high = bytes.popFirst(), high < 128 else { return nil }
        value |= Int(high) << 7
      }
      guard value > 0, value < left else { return nil }
      frequencies[symbol] = UInt16(value)
      left -= value
    }
    frequencies[last] = UInt16(left)
  }
}
