internal import CKernels

/// Philox4x32-10: random words from a key and a counter, the same for any order of asking.
///
/// Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
package struct Philox: Sendable, Equatable {
  private let low: UInt32
  private let high: UInt32

  package init(_ low: UInt32, _ high: UInt32) {
    self.low = low
    self.high = high
  }

  /// - Parameter key: of which the first eight bytes are taken, as two little-endian words.
  package init(key: [UInt8]) {
    func word(_ start: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(key[start + $1]) << UInt32(8 * $1) } }
    self.init(word(0), word(4))
  }

  /// The four words of one counter, ten rounds.
  package func words(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (a, b, c, d) = (counter.x, counter.y, counter.z, counter.w)
    var (k, l) = (low, high)
    for _ in 0..<10 {
      let first = UInt64(a) &* 0xD251_1F53
      let second = UInt64(c) &* 0xCD9E_8D57
      (a, b, c, d) = (
        UInt32(truncatingIfNeeded: second >> 32) ^ b ^ k, UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ d ^ l, UInt32(truncatingIfNeeded: first)
      )
      k &+= 0x9E37_79B9
      l &+= 0xBB67_AE85
    }
    return SIMD4(a, b, c, d)
  }

  /// Hands over sixteen random bits for each of the elements from number `element` on: half `element % 8` of counter
  /// `element / 8`, where a word's lower half comes before its upper.
  package func withHalves<T>(_ count: Int, from element: Int, _ body: (UnsafePointer<UInt16>) -> T) -> T {
    let first = element / 8
    let counters = count == 0 ? 0 : (element + count + 7) / 8 - first
    return withUnsafeTemporaryAllocation(byteCount: 16 * counters, alignment: 64) { memory in
      if counters > 0 {
        let words = memory.bindMemory(to: UInt32.self)
        philox_fill(words.baseAddress!, low, high, UInt64(first), counters)
        #if _endian(big)
          for index in words.indices { words[index] = words[index] << 16 | words[index] >> 16 }
        #endif
      }
      return memory.withMemoryRebound(to: UInt16.self) { body($0.baseAddress! + (element - 8 * first)) }
    }
  }

  /// Sixteen further bits of an element: its half of the counter that has 1 as third word.
  package func furtherHalf(of element: Int) -> UInt16 {
    let counter = element / 8
    let four = words(SIMD4(UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 1, 0))
    return UInt16(truncatingIfNeeded: four[element % 8 / 2] >> UInt32(16 * (element % 2)))
  }

  /// True where one of these halves has this value.
  package static func any(of halves: UnsafePointer<UInt16>, _ count: Int, are value: UInt16) -> Bool {
    merge_any_half(halves, value, count) != 0
  }

  /// The words of the elements from number `element` on: lane `element % 4` of counter `element / 4`.
  package func fill(_ out: UnsafeMutableBufferPointer<UInt32>, from element: Int) {
    var filled = 0
    while filled < out.count {
      let (counter, lane) = (element + filled).quotientAndRemainder(dividingBy: 4)
      let whole = lane == 0 ? (out.count - filled) / 4 : 0
      if whole > 0 {
        philox_fill(out.baseAddress! + filled, low, high, UInt64(counter), whole)
        filled += 4 * whole
      } else {
        let four = words(
          SIMD4(UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32), 0, 0))
        let part = min(4 - lane, out.count - filled)
        for index in 0..<part { out[filled + index] = four[lane + index] }
        filled += part
      }
    }
  }
}
