import Codecs
import Testing

/// Bytes written out by hand from `BlockCodecs.md`. A failure here means that stores on disk can no longer be read.
@Suite("the block format on disk")
struct GoldenTests {
  let coder = BlockCoder()
  let halves = BlockFormat(width: 2, mantissa: 7)

  /// 1.0 and -1.0 in bf16, 32 times each in turn.
  let block: [UInt8] = (0..<32).flatMap { _ in [0x80, 0x3f, 0x80, 0xbf] as [UInt8] }

  @Test("a planes block: rotated floats, the sign lowest, planes of one byte and of bytes as they are")
  func planes() throws {
    // 3f80 rotates to 7f00, bf80 to 7f01: the low plane alternates, the high plane is 7f.
    let low: [UInt8] = (0..<64).map { UInt8($0 % 2) }
    let coded: [UInt8] = [0, 64, 0, 0, 0, 2, 1, 0, 0, 0] + low + [0x7f]
    #expect(try coder.read(1, coded, base: nil, halves, count: 128) == block)
  }

  @Test("a delta block: order-preserving, wrapped, folded")
  func delta() throws {
    // From 1.0 one step up is 2 when folded; from -1.0 one step up in value is one step down in magnitude.
    let up: [UInt8] = (0..<32).flatMap { _ in [0x81, 0x3f, 0x7f, 0xbf] as [UInt8] }
    let coded: [UInt8] = [2, 1, 0, 0, 0, 2, 1, 0, 0, 0, 2, 0]
    #expect(coder.code(up, base: block, halves) == Coded(codec: .delta, bytes: coded))
    #expect(try coder.read(2, coded, base: block, halves, count: 128) == up)
    // One step down folds to 1.
    #expect(coder.code(block, base: up, halves) == Coded(codec: .delta, bytes: [2, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 0]))
  }

  @Test("a plane may be one zstd frame")
  func zstd() throws {
    // Magic, single segment with a content size of 4, one last raw block of 4 bytes.
    let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0x21, 0, 0, 9, 8, 7, 6]
    let bytes = BlockFormat.bytes
    #expect(try coder.read(1, [1, 13, 0, 0, 0] + frame, base: nil, bytes, count: 4) == [9, 8, 7, 6])
  }

  @Test("a plane may be halves of bytes: tables, then states and words of upper halves, then of lower ones")
  func nibbles() throws {
    // Upper halves are 0 or 1, of 2048 each: x of state 0 goes from 2^16 by a 0 and from there nowhere else.
    let tables: [UInt8] = [3, 0, 0x80, 0x10, 1, 0, 2, 0]
    func states(_ first: UInt32, _ second: UInt32) -> [UInt8] {
      ([first, second] + [UInt32](repeating: 1 << 16, count: 30)).flatMap { x in
        (0..<4).map { UInt8(truncatingIfNeeded: x >> UInt32(8 * $0)) }
      }
    }
    // Coding symbol s with frequency f, sum c takes x to (x / f) * 4096 + x % f + c.
    let upper = states((1 << 16) / 2048 * 4096, (1 << 16) / 2048 * 4096 + 2048)
    let body = tables + [0, 0, 0, 0] + upper + states(1 << 16, 1 << 16)
    let length: [UInt8] = [UInt8(body.count & 255), UInt8(body.count >> 8), 0, 0]
    let bytes = BlockFormat.bytes
    #expect(try coder.read(1, [3] + length + body, base: nil, bytes, count: 2) == [0x00, 0x11])
  }

  /// A change block of one token a context, which takes no words: the numbers and bits that a test wants.
  private func changes(
    form: UInt8 = 0, least: Int, scales: [UInt8], tokens: [Int: UInt8], raw: [UInt8] = [], escapes: [UInt8] = []
  ) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    func plane(_ bytes: [UInt8]) -> [UInt8] { [0] + little(bytes.count, 4) + bytes }
    // 45 quarters are 2048, the step from 0 is folded to 90.
    let tables = (0..<41).flatMap { context -> [UInt8] in
      tokens[context].map { [$0 + 1] + [UInt8](repeating: 0, count: Int($0)) + [90] } ?? [0]
    }
    let head = [form, 0] + little(least, 2) + little(0, 4) + little(raw.count, 4) + little(escapes.count, 4)
    return head + little(tables.count, 2) + plane(scales) + plane(tables)
      + (0..<64).flatMap { _ in little(1 << 16, 4) } + raw + escapes + [UInt8](repeating: 0, count: 8)
  }

  private func elements(_ values: [UInt16]) -> [UInt8] { values.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] } }

  @Test("a change block: tokens by the level of the change, raw bits, escapes, new values where changes are large")
  func change() throws {
    let one = [UInt16](repeating: 0x3f80, count: 128)
    // 252 half octaves of 2^-133: the mean change is a unit in the last place of 1.0, whose field is 127. Level 0.
    let next = elements([UInt16](repeating: 0x3f81, count: 128))
    #expect(
      try coder.read(4, changes(least: 252, scales: [1], tokens: [11: 33]), base: elements(one), halves, count: 256)
        == next)
    // Level 6 is context 17 and has a raw bit: 4 and a bit, from -1.0 away from zero.
    let eights = changes(least: 258, scales: [1], tokens: [17: 36], raw: [UInt8](repeating: 0xAA, count: 16))
    let minus = elements(one.map { $0 | 0x8000 })
    let away = elements((0..<128).map { 0xbf88 + UInt16($0 % 2) })
    #expect(try coder.read(4, eights, base: minus, halves, count: 256) == away)
    // 40 is 9 past the last token: octave 3, and 001 in the escapes, three bytes for eight of them.
    let octave = changes(
      least: 252, scales: [1], tokens: [11: 70], escapes: (0..<16).flatMap { _ in [0x49, 0x92, 0x24] as [UInt8] })
    #expect(
      try coder.read(4, octave, base: elements(one), halves, count: 256)
        == elements([UInt16](repeating: 0x3fa8, count: 128)))
    // 2^-8 under the same scale is level 16, context 33: half octave 25 from 2^-12 times the scale on, sign turned.
    let turned = changes(least: 252, scales: [1], tokens: [33: 51], raw: [UInt8](repeating: 0, count: 96))
    #expect(
      try coder.read(4, turned, base: elements([UInt16](repeating: 0x3b80, count: 128)), halves, count: 256)
        == elements([UInt16](repeating: 0xbc40, count: 128)))
    // The same level for all, by a relative scale: 8 half octaves, context 19, two raw bits; from any exponent.
    let mixed = changes(least: 0, scales: [128 + 10 + 8], tokens: [19: 31], raw: [UInt8](repeating: 0xFF, count: 32))
    #expect(
      try coder.read(4, mixed, base: elements((0..<128).map { 0x3000 + 300 * UInt16($0 % 8) }), halves, count: 256)
        == elements((0..<128).map { 0x2FFF + 300 * UInt16($0 % 8) }))
    // Groups of scale 0 are the base's; the last may be short.
    let none = changes(least: 0, scales: [0, 0], tokens: [:])
    #expect(try coder.read(4, none, base: elements(one + [7]), halves, count: 258) == elements(one + [7]))
  }

  @Test("a change block may hold F32 as the BF16 or F16 that its values are")
  func narrowed() throws {
    let wide = BlockFormat(width: 4, mantissa: 23)
    func floats(_ value: Float) -> [UInt8] {
      (0..<64).flatMap { _ in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) } }
    }
    let bf16 = changes(form: 1, least: 252, scales: [1], tokens: [11: 33])
    #expect(try coder.read(4, bf16, base: floats(1.001), wide, count: 256) == floats(1 + 1 / 128))
    // A unit of F16's 1.0, whose field is 15, is 28 half octaves of 2^-24.
    let f16 = changes(form: 2, least: 28, scales: [1], tokens: [11: 33])
    #expect(try coder.read(4, f16, base: floats(1), wide, count: 256) == floats(1 + 1 / 1024))
  }

  @Test("a narrowed block: F32 as planes of the BF16 or F16 that its values are")
  func narrowedPlanes() throws {
    let ones = [UInt8]((0..<64).flatMap { _ in [0, 0, 0x80, 0x3f] as [UInt8] })
    let fills: [UInt8] = [2, 1, 0, 0, 0, 2, 1, 0, 0, 0]
    let wide = BlockFormat(width: 4, mantissa: 23)
    #expect(try coder.read(5, [1] + fills + [0, 0x7f], base: nil, wide, count: 256) == ones)
    #expect(try coder.read(5, [2] + fills + [0, 0x78], base: nil, wide, count: 256) == ones)
  }

  @Test("a pruned block: which elements became zero, and the rest on the base")
  func pruned() throws {
    let base = elements([0x3f80, 0xbf80, 0x4000, 0xc000, 0x3f80, 0xbf80, 0x4000, 0xc000, 0x4040])
    // Elements 1, 3 and 8; the rest is the base's.
    let mask: [UInt8] = [0, 2, 0, 0, 0, 0x0a, 0x01]
    let plain = elements([0x3f80, 0, 0x4000, 0, 0x3f80, 0xbf80, 0x4000, 0xc000, 0])
    #expect(try coder.read(6, [0] + mask + [3], base: base, halves, count: 18) == plain)
    let signed = elements([0x3f80, 0x8000, 0x4000, 0x8000, 0x3f80, 0xbf80, 0x4000, 0xc000, 0])
    #expect(try coder.read(6, [1] + mask + [3], base: base, halves, count: 18) == signed)
    // By differences: all one up, in two planes that are one byte each.
    let delta: [UInt8] = [2, 2, 1, 0, 0, 0, 2, 1, 0, 0, 0, 2, 0]
    let moved = elements([0x3f81, 0, 0x4001, 0, 0x3f81, 0xbf7f, 0x4001, 0xbfff, 0])
    #expect(try coder.read(6, [0] + mask + delta, base: base, halves, count: 18) == moved)
  }

  @Test("codec numbers keep their meaning")
  func numbers() {
    #expect(BlockCodec.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6])
    #expect(
      [BlockCodec.raw, .planes, .delta, .equal, .change, .narrowed, .pruned].map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6])
  }
}
