import TestSupport
import Testing

@testable import Tensors

@Suite("casts from one float type to another")
struct FloatCastTests {
  static let types: [DType] = [.f16, .bf16, .f32, .f64]
  static let pairs = types.flatMap { source in types.filter { $0 != source }.map { (source, $0) } }

  /// Random bits of every kind: numbers near one, subnormal ones, infinities, NaNs, both zeros.
  private func bits(_ dtype: DType, _ dice: inout SplitMix) -> UInt64 {
    let width = UInt64(dtype.bits)
    let mantissa: UInt64 =
      switch dtype {
      case .f16: 10
      case .bf16: 7
      case .f32: 23
      default: 52
      }
    let mask = width == 64 ? UInt64.max : (1 << width) - 1
    let sign = UInt64.random(in: 0...1, using: &dice) << (width - 1)
    let exponents = (mask >> 1) >> mantissa
    let fraction = dice.next() & ((1 << mantissa) - 1)
    switch UInt8.random(in: 0..<8, using: &dice) {
    case 0: return sign | fraction
    case 1: return sign | (exponents << mantissa)
    case 2: return sign | (exponents << mantissa) | fraction
    case 3: return sign
    // Near the middle between two numbers of a shorter mantissa.
    case 4: return sign | ((exponents / 2) << mantissa) | (fraction & ~0xFF | 0x80)
    case 5: return sign | ((exponents / 2 + UInt64.random(in: 0..<16, using: &dice) - 8) << mantissa) | fraction
    default: return dice.next() & mask
    }
  }

  private func number(_ bits: UInt64, _ dtype: DType) -> Double {
    switch dtype {
    case .f16: Double(Float16(bitPattern: UInt16(bits)))
    case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
    case .f32: Double(Float(bitPattern: UInt32(bits)))
    default: Double(bitPattern: bits)
    }
  }

  /// What the language's own conversions give; BF16 by rounding the number's bits by hand.
  private func expected(_ value: Double, _ dtype: DType) -> UInt64 {
    switch dtype {
    case .f16: return value.isNaN ? 0x7E00 : UInt64(Float16(value).bitPattern)
    case .f32: return value.isNaN ? 0x7FC0_0000 : UInt64(Float(value).bitPattern)
    case .f64: return value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern
    default: break
    }
    if value.isNaN { return 0x7FC0 }
    // Rounded to odd first, so that rounding twice is as rounding once.
    let near = Float(value)
    var low = near.bitPattern
    if Double(near).magnitude > value.magnitude { low -= 1 }
    if Double(near) != value { low |= 1 }
    return UInt64((low &+ 0x7FFF &+ ((low >> 16) & 1)) >> 16)
  }

  @Test("every pair rounds to nearest, ties to even, and all NaNs are the canonical one", arguments: pairs)
  func everyPair(source: DType, target: DType) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    let cast = try #require(FloatCast(from: source, to: target))
    let (from, to) = (source.bits / 8, target.bits / 8)
    // More than a strip, and no whole number of them; one byte off any alignment.
    let count = 10_001
    let patterns = (0..<count).map { _ in bits(source, &dice) }
    var stored: [UInt8] = [0]
    for pattern in patterns {
      for place in 0..<from { stored.append(UInt8(truncatingIfNeeded: pattern >> UInt64(8 * place))) }
    }
    var out = [UInt8](repeating: 0xAA, count: 1 + count * to + 1)
    stored.withUnsafeBytes { stored in
      out.withUnsafeMutableBytes { out in
        cast.fill(
          UnsafeMutableRawBufferPointer(rebasing: out[1..<1 + count * to]),
          from: UnsafeRawBufferPointer(rebasing: stored[1...]))
      }
    }
    #expect(out.first == 0xAA && out.last == 0xAA)
    for (index, pattern) in patterns.enumerated() {
      let found = (0..<to).reduce(UInt64(0)) { $0 | (UInt64(out[1 + index * to + $1]) << UInt64(8 * $1)) }
      let wanted = expected(number(pattern, source), target)
      guard found == wanted else {
        Issue.record("seed \(seed): \(source) \(String(pattern, radix: 16)) became \(String(found, radix: 16))")
        return
      }
    }
  }

  @Test("there is no cast to the same type, nor to or from others")
  func others() {
    for source in DType.allCases {
      for target in DType.allCases {
        let isCast = source != target && Self.types.contains(source) && Self.types.contains(target)
        #expect((FloatCast(from: source, to: target) != nil) == isCast)
      }
    }
  }

  @Test("nothing becomes nothing")
  func empty() throws {
    let cast = try #require(FloatCast(from: .f32, to: .bf16))
    cast.fill(UnsafeMutableRawBufferPointer(start: nil, count: 0), from: UnsafeRawBufferPointer(start: nil, count: 0))
  }
}
