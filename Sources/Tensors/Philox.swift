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
