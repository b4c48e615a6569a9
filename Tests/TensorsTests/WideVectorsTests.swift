import TestSupport
import Testing

@testable import Tensors

@Suite("loops over chunks of wide numbers")
struct WideVectorsTests {
  /// Lengths around the width of every instruction set, and no multiple of it.
  private static let counts = [0, 1, 15, 16, 17, 33, 1000]

  private struct Numbers<Wide: WideVectors> where Wide.RawSignificand: FixedWidthInteger {
    var random: SplitMix

    /// Between -1 and 1, some of them zero.
    mutating func next(_ count: Int) -> [Wide] {
      (0..<count).map { _ in Int.random(in: 0..<5, using: &random) == 0 ? 0 : Wide.random(in: -1..<1, using: &random) }
    }
  }

  @Test("every loop does in f32 what its description says")
  func floats() { check(Float.self) { $0.bitPattern & 0x7FFF_FFFF } }

  @Test("every loop does in f64 what its description says")
  func doubles() { check(Double.self) { $0.bitPattern & 0x7FFF_FFFF_FFFF_FFFF } }

  private func check<Wide: WideVectors>(_ type: Wide.Type, _ bits: (Wide) -> Wide.Bits)
  where Wide.RawSignificand: FixedWidthInteger {
    let seed = UInt64.random(in: 0 ... .max)
    var numbers = Numbers<Wide>(random: SplitMix(state: seed))
    for count in Self.counts {
      let (x, b) = (numbers.next(count), numbers.next(count))
      #expect(filled(x) { Wide.subtract(b, from: x, into: $0) } == zip(x, b).map { $0 - $1 }, "seed \(seed)")

      var sums = b
      let weighed = filled(x) { Wide.weigh($0, times: 1.5, times: 0.3, into: &sums) }
      #expect(weighed == x.map { $0 * 1.5 * 0.3 }, "seed \(seed)")
      #expect(sums == zip(b, weighed).map { $0 + $1 }, "seed \(seed)")

      let (low, high) = (bits(0.25), bits(0.5))
      let kept = filled(x) { Wide.keep($0, from: low, through: high) }
      #expect(kept == x.map { (0.25...0.5).contains($0.magnitude) ? $0 : 0 }, "seed \(seed)")
      #expect(filled(x) { Wide.keep($0, from: 1, through: 0) }.allSatisfy { $0 == 0 })

      for first in [0, 3, 13] {
        let bits = (0..<first / 8 + count / 8 + 2).map { _ in UInt8.random(in: 0 ... .max, using: &numbers.random) }
        let masked = filled(x) { Wide.keep($0, where: bits, from: first) }
        let expected = x.indices.map { bits[(first + $0) / 8] >> UInt8((first + $0) % 8) & 1 == 1 ? x[$0] : 0 }
        #expect(masked == expected, "seed \(seed)")
        if first == 0 {
          let both = Wide.magnitudes(x, count, where: bits)
          #expect(both == (Wide.magnitudes(x, count), Wide.magnitudes(masked, count)), "seed \(seed)")
        }
      }

      checkSums(x, b, seed)
      checkVotes(&numbers, count, seed)
    }
  }

  private func checkSums<Wide: WideVectors>(_ x: [Wide], _ b: [Wide], _ seed: UInt64) {
    var (magnitudes, products) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 16))
    for index in x.indices {
      magnitudes[index % 16] += Double(x[index].magnitude)
      products[index % 16] += Double(x[index]) * Double(b[index])
    }
    for half in [8, 4, 2, 1] {
      for lane in 0..<half {
        magnitudes[lane] += magnitudes[lane + half]
        products[lane] += products[lane + half]
      }
    }
    #expect(Wide.magnitudes(x, x.count) == magnitudes[0], "seed \(seed)")
    #expect(Wide.products(x, b, x.count) == products[0], "seed \(seed)")
  }

  private func checkVotes<Wide: WideVectors>(_ numbers: inout Numbers<Wide>, _ count: Int, _ seed: UInt64) {
    let changes = (0..<3).map { _ in numbers.next(count) }
    let weights: [Wide] = [0.5, -0.25, 0.75]
    for normalize in [false, true] {
      let votes = (0..<count).map { index in changes.reduce(0 as Wide) { $0 + $1[index] } }
      let elected = filled(votes) { sums in
        Wide.elect(sums, among: Array(changes.joined()), stride: count, weights: weights, normalize: normalize)
      }
      let expected = (0..<count).map { index -> Wide in
        var (sum, total): (Wide, Wide) = (0, 0)
        for (change, weight) in zip(changes, weights)
        where votes[index] >= 0 ? change[index] > 0 : change[index] < 0 {
          sum += change[index]
          total += weight
        }
        return normalize ? sum / (total == 0 ? 1 : total) : sum
      }
      #expect(elected == expected, "seed \(seed)")
    }
  }

  @Test("changes of stored bf16 are exact differences, at any alignment")
  func stored() {
    let x: [UInt16] = (0..<37).map { 0x3F80 + $0 * 3 }
    let b: [UInt16] = (0..<37).map { 0x3F90 + $0 }
    func bytes(_ values: [UInt16]) -> [UInt8] {
      [0] + values.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }
    func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
    bytes(x).withUnsafeBytes { x in
      bytes(b).withUnsafeBytes { b in
        let (x, b) = (x.baseAddress! + 1, b.baseAddress! + 1)
        let narrow = filled([Float](repeating: 0, count: 37)) { Float.changeBF16(x, from: b, into: $0) }
        let wide = filled([Double](repeating: 0, count: 37)) { Double.changeBF16(x, from: b, into: $0) }
        let bits = (0..<5).map { UInt8($0 * 57) }
        let kept = (0..<37).map { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 ? narrow[$0] : 0 }
        #expect(
          Float.magnitudesBF16(x, from: b, 37, where: bits)
            == (Float.magnitudes(narrow, 37), Float.magnitudes(kept, 37)))
        #expect(
          Double.magnitudesBF16(x, from: b, 37, where: bits)
            == (Double.magnitudes(wide, 37), Double.magnitudes(kept.map(Double.init), 37)))
        checkWeighing(kept) { Float.weighBF16(x, from: b, where: bits, times: 1.5, times: 0.3, into: $0, and: $1) }
        checkWeighing(kept.map(Double.init)) {
          Double.weighBF16(x, from: b, where: bits, times: 1.5, times: 0.3, into: $0, and: $1)
        }
        for index in 0..<37 {
          let change = value(0x3F80 + UInt16(index) * 3) - value(0x3F90 + UInt16(index))
          #expect(narrow[index] == change && wide[index] == Double(change))
        }
      }
    }
  }

  private func checkWeighing<Wide: WideVectors & ExpressibleByFloatLiteral>(
    _ kept: [Wide], _ weigh: (UnsafeMutableBufferPointer<Wide>, UnsafeMutablePointer<Wide>) -> Void
  ) {
    let start = kept.indices.map { Wide($0) }
    var (sums, expected) = (start, start)
    let weighed = filled(kept.map { _ in 7 as Wide }) { weigh($0, &sums) }
    #expect(weighed == filled(kept) { Wide.weigh($0, times: 1.5, times: 0.3, into: &expected) })
    #expect(sums == expected)
  }

  private func filled<Wide>(_ start: [Wide], _ body: (UnsafeMutableBufferPointer<Wide>) -> Void) -> [Wide] {
    var values = start
    values.withUnsafeMutableBufferPointer { body($0) }
    return values
  }
}
