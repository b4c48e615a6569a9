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

  /// Puts down a bit for each of the elements from number `element` on: 1 where a random number of 32 bits is below
  /// `limit`. An element's bits are bit `element % 128` of the words of counter `element / 128` with third words 0 (the
  /// most significant), 1, 2 ..., of which only as many are drawn as it takes to tell: one of them where the limit is a
  /// half, about eleven of 32 at the worst.
  ///
  /// Returns the place of the first element's bit in `out`, which has room for `bitBytes(count)`; the least significant
  /// of a byte comes first.
  package func fillBits(
    _ out: UnsafeMutableRawBufferPointer, _ count: Int, from element: Int, below limit: UInt32
  ) -> Int {
    let first = element / 128
    let counters = count == 0 ? 0 : (element + count + 127) / 128 - first
    precondition(out.count >= 16 * counters, "no room for the bits")
    if counters > 0 { philox_below(out.baseAddress!, low, high, UInt64(first), counters, limit) }
    return element - 128 * first
  }

  /// The room that `fillBits` may need.
  package static func bitBytes(_ count: Int) -> Int { 16 * (count / 128 + 2) }

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
