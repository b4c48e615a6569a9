import Foundation
import TestSupport
import Testing

@testable import Codecs

/// Bases and what becomes of them, element by element.
private struct Pair {
  var base: [UInt8] = []
  var block: [UInt8] = []

  mutating func append(_ old: UInt64, _ new: UInt64, width: Int) {
    for place in 0..<width {
      base.append(UInt8(truncatingIfNeeded: old >> UInt64(8 * place)))
      block.append(UInt8(truncatingIfNeeded: new >> UInt64(8 * place)))
    }
  }

  /// Weights in BF16 that move by about `step`, whatever their size, where `moves` says so.
  static func weights(
    _ count: Int, step: Float, _ random: inout SplitMix, moves: (Int) -> Bool = { _ in true }
  ) -> Pair {
    var pair = Pair()
    for index in 0..<count {
      let old = bf16(gauss(&random) * 0.02)
      let new = moves(index) ? bf16(Float(bitPattern: old << 16) + gauss(&random) * step) : old
      pair.append(UInt64(old), UInt64(new), width: 2)
    }
    return pair
  }

  static func gauss(_ random: inout SplitMix) -> Float {
    let (u, v) = (Float.random(in: 1e-7..<1, using: &random), Float.random(in: 0..<1, using: &random))
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }

  static func bf16(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
  }
}

extension ChangeCodec {
  fileprivate func code(_ pair: Pair, _ format: BlockFormat, room: Int? = nil) -> [UInt8]? {
    var out = [UInt8](repeating: 0, count: room ?? 2 * pair.block.count + 8192)
    let count = out.withUnsafeMutableBytes { out in
      pair.block.withUnsafeBytes { block in
        pair.base.withUnsafeBytes { encode(block, base: $0, format: format, coder: BlockCoder(), into: out) }
      }
    }
    return count.map { Array(out[..<$0]) }
  }

  /// Nil where it is refused.
  fileprivate func read(_ coded: [UInt8], base: [UInt8], _ format: BlockFormat) -> [UInt8]? {
    var out = [UInt8](repeating: 0xA5, count: base.count)
    let isDone: Void? = out.withUnsafeMutableBytes { out in
      coded.withUnsafeBytes { coded in
        base.withUnsafeBytes { base in
          try? decode(coded, base: base, format: format, coder: BlockCoder(), into: out)
        }
      }
    }
    return isDone == nil ? nil : out
  }
}

private let narrowFormats =
  formats.filter { $0.width <= 4 } + [BlockFormat(width: 2, mantissa: 10), BlockFormat(width: 1, mantissa: 2)]
private let bf16 = BlockFormat(width: 2, mantissa: 7)
private let f32 = BlockFormat(width: 4, mantissa: 23)

@Suite("changes from a base, entropy-coded")
struct ChangeTests {
  private let coders = NibbleCoder.paths.map { ChangeCodec(path: $0) }

  @Test(
    "every path writes the same bytes and reads them, of any length, type and size of change", arguments: narrowFormats)
  func roundTrip(format: BlockFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let top = UInt64(1) << UInt64(8 * format.width - 1)
    for count in [1, 2, 31, 32, 33, 127, 128, 129, 1000, 4095, 4096, 4097, 9000] {
      for kind in 0..<6 {
        var pair = Pair()
        for index in 0..<count {
          let old = UInt64.random(in: 0...UInt64.max, using: &random) & (2 * top - 1)
          let step = UInt64.random(in: 0...(kind == 0 ? 1 : 20), using: &random)
          let new =
            switch kind {
            case 0: index % 700 < 600 ? old : old &+ step
            case 1: old &+ step &- 10
            case 2: old &+ (step << UInt64(index / 128 % (8 * format.width)))
            case 3: old ^ top
            case 4: index % 50 == 0 ? UInt64.random(in: 0...UInt64.max, using: &random) : old &- step
            default: UInt64.random(in: 0...UInt64.max, using: &random)
            }
          pair.append(old, new & (2 * top - 1), width: format.width)
        }
        let coded = try #require(coders[0].code(pair, format))
        for coder in coders {
          #expect(coder.code(pair, format) == coded, "\(count) elements, kind \(kind), seed \(seed)")
          let back = coder.read(coded, base: pair.base, format)
          #expect(back == pair.block, "\(count) elements, kind \(kind), seed \(seed)")
        }
      }
    }
  }

  @Test("signs, zeros, infinities and NaNs change into each other", arguments: narrowFormats.filter(\.isFloat))
  func specials(format: BlockFormat) throws {
    let top = UInt64(1) << UInt64(8 * format.width - 1)
    let infinity = top - (1 << UInt64(format.mantissa))
    let values = [0, 1, infinity - 1, infinity, infinity + 1, top - 1].flatMap { [$0, $0 | top] }
    for shift in values.indices {
      var pair = Pair()
      for index in 0..<600 {
        pair.append(
          values[index % values.count], values[(index + shift * (index / 300)) % values.count], width: format.width)
      }
      let coded = try #require(coders[0].code(pair, format))
      for coder in coders { #expect(coder.read(coded, base: pair.base, format) == pair.block, "\(shift)") }
    }
  }

  /// Bits an element that the differences hold, given the exponents of the base: with tables for nothing.
  private func conditionalEntropy(_ pair: Pair) -> Double {
    func value(_ bytes: [UInt8], _ index: Int) -> Int { Int(bytes[2 * index]) | Int(bytes[2 * index + 1]) << 8 }
    func order(_ bits: Int) -> Int { bits & 0x8000 == 0 ? bits | 0x8000 : ~bits & 0xFFFF }
    var counts: [Int: [Int: Int]] = [:]
    for index in 0..<pair.base.count / 2 {
      let (old, new) = (value(pair.base, index), value(pair.block, index))
      counts[old >> 7 & 255, default: [:]][order(new) - order(old), default: 0] += 1
    }
    let bits = counts.values.reduce(0.0) { sum, row in
      let total = Double(row.values.reduce(0, +))
      return row.values.reduce(sum) { $0 - Double($1) * log2(Double($1) / total) }
    }
    return bits / Double(pair.base.count / 2)
  }

  @Test(
    "the bytes are within 2 % of the entropy of the change given the base's exponent, tables and all",
    arguments: [2e-5, 2e-4, 1e-3] as [Float])
  func size(step: Float) throws {
    var random = SplitMix(state: 21)
    let pair = Pair.weights(1 << 17, step: step, &random)
    let coded = try #require(coders[0].code(pair, bf16))
    let bits = Double(coded.count) * 8 / Double(pair.base.count / 2)
    #expect(bits < 1.02 * conditionalEntropy(pair) + 0.07, "\(bits) bits")
    #expect(BlockCoder().code(pair.block, base: pair.base, bf16).codec == .change)
  }

  @Test(
    "weights that were pruned away cost a bit each element beside the change, zeros of either sign",
    arguments: [(0.0, false), (0.0, true), (1e-4, false), (1e-4, true)])
  func pruned(step: Double, isSigned: Bool) throws {
    var random = SplitMix(state: 23)
    var pair = Pair.weights(1 << 17, step: Float(step), &random)
    let (n, coder) = (pair.base.count / 2, BlockCoder())
    let dense = coder.code(pair.block, base: pair.base, bf16).bytes.count
    for index in 0..<n where Bool.random(using: &random) {
      pair.block[2 * index] = 0
      pair.block[2 * index + 1] = isSigned ? pair.base[2 * index + 1] & 0x80 : 0
    }
    let coded = coder.code(pair.block, base: pair.base, bf16)
    #expect(coded.codec == .pruned && coded.bytes.count < dense + n / 8 + 64, "\(coded.bytes.count), dense \(dense)")
    #expect(try coder.read(6, coded.bytes, base: pair.base, bf16, count: pair.block.count) == pair.block)
  }

  @Test("F32 that holds BF16 or F16 costs what those cost", arguments: [true, false])
  func narrowed(isBF16: Bool) throws {
    var random = SplitMix(state: 22)
    let narrow = Pair.weights(20_000, step: 1e-4, &random)
    var (wide, halves) = (Pair(), Pair())
    for index in 0..<20_000 {
      func value(_ bytes: [UInt8]) -> Float {
        Float(bitPattern: UInt32(bytes[2 * index]) << 16 | UInt32(bytes[2 * index + 1]) << 24)
      }
      let (old, new) = (Float16(value(narrow.base) * 1.0007), Float16(value(narrow.block) * 1.0007))
      halves.append(UInt64(old.bitPattern), UInt64(new.bitPattern), width: 2)
      let floats = isBF16 ? (value(narrow.base), value(narrow.block)) : (Float(old), Float(new))
      wide.append(UInt64(floats.0.bitPattern), UInt64(floats.1.bitPattern), width: 4)
    }
    let coded = try #require(coders[0].code(wide, f32))
    let other = try #require(
      isBF16 ? coders[0].code(narrow, bf16) : coders[0].code(halves, BlockFormat(width: 2, mantissa: 10)))
    #expect(coded.count == other.count)
    #expect(coders[0].read(coded, base: wide.base, f32) == wide.block)
    let coder = BlockCoder()
    let (alone, like) = (coder.code(wide.block, base: nil, f32), isBF16 ? narrow.block : halves.block)
    let planes = coder.code(like, base: nil, BlockFormat(width: 2, mantissa: isBF16 ? 7 : 10))
    #expect(alone.codec == .narrowed && planes.codec == .planes && alone.bytes.count == planes.bytes.count + 1)
    #expect(try coder.read(5, alone.bytes, base: nil, f32, count: wide.block.count) == wide.block)
    // One value that is none: the whole block as it is.
    wide.block[0] ^= 1
    let whole = try #require(coders[0].code(wide, f32))
    #expect(whole[0] == 0 && whole.count > coded.count)
    #expect(coders[0].read(whole, base: wide.base, f32) == wide.block)
    // A base that is none is rounded.
    wide.block[0] ^= 1
    wide.base[0] ^= 1
    let rounded = try #require(coders[0].code(wide, f32))
    #expect(rounded.count == coded.count)
    #expect(coders[0].read(rounded, base: wide.base, f32) == wide.block)
  }

  @Test("what does not change costs next to nothing")
  func sparse() throws {
    var random = SplitMix(state: 23)
    let (count, rows) = (1 << 17, 256)
    let few = Pair.weights(count, step: 2e-4, &random) { $0 / rows % 100 == 7 }
    let row = Pair.weights(count / 100, step: 2e-4, &random)
    let coded = try #require(coders[0].code(few, bf16))
    #expect(coded.count < Int(1.1 * conditionalEntropy(row) * Double(count / 100) / 8) + 1500)
    // One in a thousand, anywhere: where costs 11.4 bits, by how much about 8.
    let scattered = Pair.weights(count, step: 2e-3, &random) { _ in Int.random(in: 0..<1000) == 0 }
    let some = try #require(coders[0].code(scattered, bf16))
    #expect(some.count < count / 1000 * 30 / 8 + 1500)
    // One in a hundred of F32, by as much as their size: 8 bits for where, 24 for what.
    var wide = Pair()
    for _ in 0..<count {
      let old = UInt64((Pair.gauss(&random) * 0.02).bitPattern)
      let isChanged = Int.random(in: 0..<100, using: &random) == 0
      wide.append(old, isChanged ? UInt64((Pair.gauss(&random) * 0.02).bitPattern) : old, width: 4)
    }
    let few32 = try #require(coders[0].code(wide, f32))
    #expect(few32.count < count / 100 * 45 / 8 + 1500)
    #expect(coders[0].read(few32, base: wide.base, f32) == wide.block)
  }

  @Test("where there is no room nothing is made")
  func room() throws {
    var random = SplitMix(state: 24)
    let pair = Pair.weights(3000, step: 1e-3, &random)
    let whole = try #require(coders[0].code(pair, bf16))
    #expect(coders[0].code(pair, bf16, room: whole.count + 1024) == whole)
    for room in [0, 17, 18, 300, whole.count - 1] { #expect(coders[0].code(pair, bf16, room: room) == nil) }
  }

  @Test("a changed or missing byte is refused or read as something else, by every path alike", arguments: [bf16, f32])
  func hostile(format: BlockFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    var pair = Pair.weights(1500, step: 1e-3, &random)
    // The last group has escapes.
    for index in 0..<40 { pair.block[pair.block.count - 1 - 2 * index] ^= UInt8.random(in: 0...255, using: &random) }
    let coded = try #require(coders[0].code(pair, format))
    for index in coded.indices {
      var changed = coded
      changed[index] ^= UInt8.random(in: 1...255, using: &random)
      let found = coders.map { $0.read(changed, base: pair.base, format) }
      #expect(found.allSatisfy { $0 == found[0] }, "byte \(index), seed \(seed)")
    }
    for count in 0..<coded.count {
      for coder in coders {
        #expect(coder.read(Array(coded[..<count]), base: pair.base, format) == nil)
      }
    }
    #expect(coders[0].read(coded + [0], base: pair.base, format) == nil)
    let other = coders.map { $0.read(coded, base: pair.block, format) }
    #expect(other.allSatisfy { $0 == other[0] })
  }

  private static func frequencies(_ tables: ChangeTables, _ context: Int) -> [UInt16] {
    [UInt16](unsafeUninitializedCapacity: ChangeTables.tokens) { buffer, count in
      tables.frequencies(context, into: buffer.baseAddress!)
      count = ChangeTables.tokens
    }
  }

  @Test("tables add up to 2048 and come back as they were, whatever the counts")
  func tables() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for _ in 0..<50 {
      let counts = (0..<ChangeTables.contexts * ChangeTables.tokens).map { _ in
        Int.random(in: 0..<4, using: &random) == 0
          ? (UInt32(1) << UInt32.random(in: 0..<24, using: &random)) : 0
      }
      let tables = counts.withUnsafeBufferPointer { ChangeTables(counted: $0) }
      let again = try #require(tables.bytes.withUnsafeBytes { ChangeTables(bytes: $0) }, "seed \(seed)")
      for context in 0..<ChangeTables.contexts {
        let frequencies = Self.frequencies(tables, context)
        #expect(frequencies == Self.frequencies(again, context), "seed \(seed)")
        #expect(frequencies.reduce(0) { $0 + Int($1) } == 2048, "seed \(seed)")
        guard context > 0, !tables.isEmpty(context) else { continue }
        for token in frequencies.indices {
          #expect((frequencies[token] > 0) == (counts[context * ChangeTables.tokens + token] > 0), "seed \(seed)")
        }
      }
    }
    let cut = [UInt8](repeating: 0, count: ChangeTables.contexts - 1)
    #expect(cut.withUnsafeBytes { ChangeTables(bytes: $0) } == nil)
    for bytes in [[1, 0], [2, 92], [1, 100], [129], [1, 1]] as [[UInt8]] {
      #expect((bytes + cut).withUnsafeBytes { ChangeTables(bytes: $0) } == nil, "\(bytes)")
    }
  }
}
