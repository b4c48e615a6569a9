import Codecs
import TestSupport
import Testing

@Suite("hostile coded blocks")
struct HostileTests {
  let coder = BlockCoder()

  @Test("a coded block cut short anywhere is refused", arguments: formats)
  func truncations(format: BlockFormat) {
    var random = SplitMix(state: 3)
    let block = random.weights(512, width: format.width)
    var base = block
    base[0] ^= 1
    for base in [nil, base] {
      let coded = coder.code(block, base: base, format)
      for count in 0..<coded.bytes.count {
        #expect(throws: CodecError.self, "\(coded.codec) cut to \(count)") {
          try coder.read(coded.codec.rawValue, Array(coded.bytes[0..<count]), base: base, format, count: 512)
        }
      }
      #expect(throws: CodecError.self) {
        try coder.read(coded.codec.rawValue, coded.bytes + [0], base: base, format, count: 512)
      }
    }
  }

  @Test("a changed byte throws or decodes, and the coder still works after it", arguments: formats)
  func flips(format: BlockFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let block = random.weights(256, width: format.width)
    var base = block
    base[0] ^= 1
    for base in [nil, base] {
      let coded = coder.code(block, base: base, format)
      for index in coded.bytes.indices {
        for flip in [1, 0x80, UInt8.random(in: 1...255, using: &random)] {
          var bytes = coded.bytes
          bytes[index] ^= flip
          for number in UInt8(0)...6 { _ = try? coder.read(number, bytes, base: base, format, count: 256) }
        }
      }
      #expect(
        try coder.read(coded.codec.rawValue, coded.bytes, base: base, format, count: 256) == block, "seed \(seed)")
    }
  }

  @Test("noise under any codec number throws or decodes")
  func noise() {
    var random = SplitMix(state: 5)
    for format in formats {
      for count in 0..<80 {
        let bytes = random.bytes(count).map { $0 & 3 }
        for number in UInt8(0)...7 { _ = try? coder.read(number, bytes, base: nil, format, count: 64) }
      }
    }
  }

  @Test("each way to be wrong has its own error")
  func names() {
    let bytes = BlockFormat.bytes
    let pairs = BlockFormat(width: 2, mantissa: 0)
    func error(_ number: UInt8, _ coded: [UInt8], base: [UInt8]? = nil, _ format: BlockFormat, count: Int)
      -> CodecError?
    {
      #expect(throws: CodecError.self) { try coder.read(number, coded, base: base, format, count: count) }
    }
    #expect(error(7, [], bytes, count: 0) == .unknownCodec(7))
    let (two, mask): ([UInt8], [UInt8]) = ([1, 2, 3, 4], [0, 1, 0, 0, 0, 1])
    #expect(error(6, [], pairs, count: 4) == .missingBase)
    #expect(error(6, [2], base: two, pairs, count: 4) == .pruned(reason: "no known zero"))
    #expect(error(6, [1], base: two, pairs, count: 4) == .pruned(reason: "signs of elements that are no floats"))
    #expect(error(6, [0, 0], base: two, pairs, count: 4) == .planeTable(reason: "cut short"))
    for codec: [UInt8] in [[], [0], [1], [5], [6], [7]] {
      #expect(
        error(6, [0] + mask + codec, base: two, pairs, count: 4) == .pruned(reason: "no codec that uses the base"))
    }
    #expect(error(6, [0] + mask + [3, 9], base: two, pairs, count: 4) == .length(expected: 0, found: 1))
    #expect(error(5, [1], bytes, count: 4) == .narrowed(reason: "elements that are not F32"))
    #expect(error(5, [3], BlockFormat(width: 4, mantissa: 23), count: 4) == .narrowed(reason: "no known type"))
    #expect(error(4, [], bytes, count: 2) == .missingBase)
    #expect(error(0, [1], bytes, count: 2) == .length(expected: 2, found: 1))
    #expect(error(2, [], bytes, count: 2) == .missingBase)
    #expect(error(3, [], bytes, count: 2) == .missingBase)
    #expect(error(3, [], base: [1], bytes, count: 2) == .length(expected: 2, found: 1))
    #expect(error(3, [9], base: [1, 2], bytes, count: 2) == .length(expected: 0, found: 1))
    #expect(error(1, [2, 1, 0, 0], bytes, count: 2) == .planeTable(reason: "cut short"))
    #expect(error(1, [4, 0, 0, 0, 0], bytes, count: 2) == .planeTable(reason: "unknown mode 4"))
    #expect(error(1, [2, 1, 0, 0, 0, 7, 7], bytes, count: 2) == .planeTable(reason: "1 bytes left over"))
    #expect(error(1, [2, 255, 255, 255, 255], bytes, count: 2) == .planeTable(reason: "plane 0 runs past the block"))
    #expect(error(1, [0, 1, 0, 0, 0, 7], bytes, count: 2) == .length(expected: 2, found: 1))
    #expect(error(1, [UInt8](repeating: 0, count: 10), pairs, count: 3) == .length(expected: 3, found: 10))
  }
}
