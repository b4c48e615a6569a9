import TestSupport
import Testing

@testable import Tensors

@Suite struct ElementwiseTests {
  private func widened<Wide: WideElement>(_ patterns: [UInt16], _ dtype: DType, as wide: Wide.Type) -> [Wide] {
    var out = [Wide](repeating: 0, count: patterns.count)
    patterns.withUnsafeBytes { stored in out.withUnsafeMutableBufferPointer { Wide.widen(stored, dtype, into: $0) } }
    return out
  }

  private func narrowed<Wide: WideElement, Bits: FixedWidthInteger>(
    _ values: [Wide], _ dtype: DType, as bits: Bits.Type
  ) -> [Bits] {
    var out = [Bits](repeating: 0, count: values.count)
    values.withUnsafeBufferPointer { wide in
      out.withUnsafeMutableBytes { Wide.narrow(wide, to: dtype, into: $0) }
    }
    return out
  }

  /// The nearest BF16 by search: the two neighbours by truncation, compared exactly in f64.
  private func bf16Reference(_ value: Double) -> UInt16 {
    if value.isNaN { return 0x7FC0 }
    let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
    let magnitude = value.magnitude
    func number(_ pattern: UInt16) -> Double {
      // Past the greatest finite value the scale goes on, so that overflow is decided by the same comparison.
      pattern >= 0x7F80 ? 0x1p128 : Double(Float(bitPattern: UInt32(pattern) << 16))
    }
    if magnitude >= 0x1p128 { return sign | 0x7F80 }
    var (low, high): (UInt16, UInt16) = (0, 0x7F80)
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if number(middle) <= magnitude { low = middle } else { high = middle }
    }
    let (below, above) = (magnitude - number(low), number(high) - magnitude)
    let up = above < below || (above == below && low & 1 == 1)
    return sign | (up ? high : low)
  }

  @Test("every F16 and BF16 pattern widens to the number it stands for")
  func widening() {
    let patterns = (0...0xFFFF).map { UInt16($0) }
    let (bf16, f16) = (widened(patterns, .bf16, as: Float.self), widened(patterns, .f16, as: Float.self))
    let (bf16Wide, f16Wide) = (widened(patterns, .bf16, as: Double.self), widened(patterns, .f16, as: Double.self))
    var wrong = 0
    for pattern in patterns {
      let index = Int(pattern)
      let brain = Float(bitPattern: UInt32(pattern) << 16)
      let half = Float(Float16(bitPattern: pattern))
      if brain.isNaN {
        wrong += bf16[index].isNaN && bf16Wide[index].isNaN ? 0 : 1
      } else {
        wrong += bf16[index].bitPattern == brain.bitPattern ? 0 : 1
        wrong += bf16Wide[index].bitPattern == Double(brain).bitPattern ? 0 : 1
      }
      if half.isNaN {
        wrong += f16[index].isNaN && f16Wide[index].isNaN ? 0 : 1
      } else {
        wrong += f16[index].bitPattern == half.bitPattern ? 0 : 1
        wrong += f16Wide[index].bitPattern == Double(half).bitPattern ? 0 : 1
      }
    }
    #expect(wrong == 0)
  }

  @Test("every F16 and BF16 pattern comes back from f32 and f64, and NaNs come back canonical")
  func roundTrip() {
    let patterns = (0...0xFFFF).map { UInt16($0) }
    for (dtype, infinity, canonical) in [(DType.bf16, UInt16(0x7F80), UInt16(0x7FC0)), (.f16, 0x7C00, 0x7E00)] {
      let expected = patterns.map { $0 & 0x7FFF > infinity ? canonical : $0 }
      #expect(narrowed(widened(patterns, dtype, as: Float.self), dtype, as: UInt16.self) == expected)
      #expect(narrowed(widened(patterns, dtype, as: Double.self), dtype, as: UInt16.self) == expected)
    }
  }

  @Test("halfway points between neighbours round to even, and a hair beside them to the nearer")
  func ties() {
    let positive = (0..<0x7F80).map { UInt16($0) }
    let brains = widened(positive, .bf16, as: Float.self).map(Double.init) + [0x1p128]
    let halves = widened(positive.filter { $0 < 0x7C00 }, .f16, as: Float.self).map(Double.init) + [65536]
    for (dtype, numbers) in [(DType.bf16, brains), (.f16, halves)] {
      let middles = (0..<numbers.count - 1).map { (numbers[$0] + numbers[$0 + 1]) / 2 }
      let even = (0..<middles.count).map { UInt16($0 + $0 % 2) }
      #expect(narrowed(middles, dtype, as: UInt16.self) == even)
      #expect(narrowed(middles.map { -$0 }, dtype, as: UInt16.self) == even.map { $0 | 0x8000 })
      #expect(narrowed(middles.map(\.nextDown), dtype, as: UInt16.self) == (0..<middles.count).map { UInt16($0) })
      #expect(narrowed(middles.map(\.nextUp), dtype, as: UInt16.self) == (0..<middles.count).map { UInt16($0 + 1) })
      #expect(narrowed(middles.map(Float.init), dtype, as: UInt16.self).dropFirst() == even.dropFirst())
    }
  }

  @Test("random numbers of every size round as an independent reference does")
  func randomRounding() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let doubles = (0..<20_000).map { index -> Double in
      let exponent =
        index % 3 == 0 ? Int.random(in: -1100...1023, using: &random) : Int.random(in: -160...140, using: &random)
      let value = Double(sign: .plus, exponent: exponent, significand: Double.random(in: 1..<2, using: &random))
      return Bool.random(using: &random) ? value : -value
    }
    let floats = doubles.map { Float($0) }
    #expect(narrowed(doubles, .bf16, as: UInt16.self) == doubles.map(bf16Reference), "seed \(seed)")
    #expect(narrowed(floats, .bf16, as: UInt16.self) == floats.map { bf16Reference(Double($0)) }, "seed \(seed)")
    #expect(narrowed(doubles, .f16, as: UInt16.self) == doubles.map { Float16($0).bitPattern }, "seed \(seed)")
    #expect(narrowed(floats, .f16, as: UInt16.self) == floats.map { Float16($0).bitPattern }, "seed \(seed)")
    #expect(narrowed(doubles, .f32, as: UInt32.self) == floats.map(\.bitPattern), "seed \(seed)")
    #expect(narrowed(floats, .f64, as: UInt64.self) == floats.map { Double($0).bitPattern }, "seed \(seed)")
  }

  @Test("f32 and f64 keep their bits, except NaNs")
  func wideNaNs() {
    let floats = [Float(bitPattern: 0xFFA0_0001), -0.0, .infinity, 1, .leastNonzeroMagnitude]
    #expect(
      narrowed(floats, .f32, as: UInt32.self) == [0x7FC0_0000] + floats.dropFirst().map(\.bitPattern))
    #expect(narrowed(floats, .f64, as: UInt64.self)[0] == 0x7FF8_0000_0000_0000)
    let doubles = [Double(bitPattern: 0xFFF0_0000_0000_0001), -0.0, -.infinity]
    #expect(narrowed(doubles, .f64, as: UInt64.self) == [0x7FF8 << 48] + doubles.dropFirst().map(\.bitPattern))
    #expect(narrowed(doubles, .f32, as: UInt32.self) == [0x7FC0_0000, 0x8000_0000, 0xFF80_0000])
  }

  @Test("products and sums are rounded one by one, never fused, at any alignment")
  func notFused() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let values = (0..<1003).map { _ in Float.random(in: -2..<2, using: &random) }
    let start = values.map { _ in Float.random(in: -1..<1, using: &random) }
    let weight = Float.random(in: 0.1..<1, using: &random)
    var bytes: [UInt8] = [0]
    for value in values { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
    var sum = start
    bytes.withUnsafeBytes { all in
      let stored = UnsafeRawBufferPointer(rebasing: all[1...])
      sum.withUnsafeMutableBufferPointer { Float.accumulate(stored, .f32, times: weight, into: $0) }
    }
    var expected = start
    for index in values.indices {
      let product = values[index] * weight
      expected[index] = start[index] + product
    }
    #expect(sum == expected, "seed \(seed)")
  }
}
