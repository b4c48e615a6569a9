import TestSupport
import Testing

@testable import Tensors

@Suite("packed bits")
struct BitMaskTests {
  private func packed(_ bits: [Bool]) -> [UInt8] {
    var out = [UInt8](repeating: 0xAA, count: BitMask.byteCount(of: bits.count))
    out.withUnsafeMutableBytes { BitMask.pack(bits.count, into: $0) { bits[$0] } }
    return out
  }

  private func random(_ count: Int, _ seed: UInt64) -> [Bool] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in Bool.random(using: &random) }
  }

  @Test("element i is bit i % 8 of byte i / 8, the least significant first, and what is left of the last byte is 0")
  func layout() {
    #expect(packed([true, false, false, false, false, false, false, false, false, true]) == [1, 2])
    #expect(packed([]) == [])
    for count in [1, 7, 8, 9, 63, 64, 65, 200] {
      let bits = random(count, UInt64(count))
      let bytes = packed(bits)
      #expect(bytes.count == (count + 7) / 8)
      #expect(bits.indices.allSatisfy { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == (bits[$0] ? 1 : 0) }, "\(count)")
      #expect(bytes.withUnsafeBytes { BitMask.ones(in: $0) } == bits.count { $0 }, "\(count)")
      #expect(!BitMask.hasStrayBits(bytes.last ?? 0, elements: count))
      #expect(BitMask.hasStrayBits(0x80, elements: count) == (count % 8 != 0))
    }
  }

  @Test("operations are those on single bits, and turning over leaves the rest of the last byte 0")
  func operations() {
    for count in [5, 64, 131] {
      let (a, b) = (random(count, 1), random(count, 2))
      let plain: [BitMask.Operation: (Bool, Bool) -> Bool] = [
        .and: { $0 && $1 }, .or: { $0 || $1 }, .xor: { $0 != $1 }, .minus: { $0 && !$1 },
      ]
      for operation in BitMask.Operation.allCases {
        var out = packed(a)
        let other = packed(b)
        out.withUnsafeMutableBytes { left in other.withUnsafeBytes { BitMask.combine(left, operation, $0) } }
        #expect(out == packed(zip(a, b).map { plain[operation]!($0, $1) }), "\(operation) of \(count)")
      }
      var out = packed(a)
      out.withUnsafeMutableBytes { BitMask.invert($0, elements: count) }
      #expect(out == packed(a.map { !$0 }))
    }
  }

  @Test("entropy is a bit an element at one half, nothing where all are the same, and 0.469 bits at a tenth")
  func entropy() {
    #expect(BitMask.entropy(ones: 500, of: 1000) == 1000)
    #expect(BitMask.entropy(ones: 0, of: 1000) == 0 && BitMask.entropy(ones: 1000, of: 1000) == 0)
    #expect(abs(BitMask.entropy(ones: 100, of: 1000) / 1000 - 0.468996) < 1e-6)
    #expect(abs(BitMask.entropy(ones: 100, of: 1000) - BitMask.entropy(ones: 900, of: 1000)) < 1e-6)
  }
}
