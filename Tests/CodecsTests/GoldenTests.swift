import Codecs
import Testing

/// Bytes written out by hand from `BlockCodecs.md`. A failure here means that stores on disk can no longer be read.
@Suite("the block format on disk")
struct GoldenTests {
  let coder = BlockCoder()
  let halves = BlockFormat(width: 2, isFloat: true)

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
    let bytes = BlockFormat(width: 1, isFloat: false)
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
    let bytes = BlockFormat(width: 1, isFloat: false)
    #expect(try coder.read(1, [3] + length + body, base: nil, bytes, count: 2) == [0x00, 0x11])
  }

  @Test("codec numbers keep their meaning")
  func numbers() {
    #expect(BlockCodec.allCases.map(\.rawValue) == [0, 1, 2, 3])
    #expect([BlockCodec.raw, .planes, .delta, .equal].map(\.rawValue) == [0, 1, 2, 3])
  }
}
