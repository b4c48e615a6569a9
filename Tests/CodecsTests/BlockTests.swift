import Codecs
import TestSupport
import Testing

@Suite("coded blocks")
struct BlockTests {
  let coder = BlockCoder()

  @Test("a block of any length, with any base, comes back as it was", arguments: formats)
  func roundTrips(format: BlockFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for count in [0, 1, 3, 7, 8, 63, 64, 65, 511, 1000, 4096] {
      let block = random.weights(count, width: format.width)
      var near = block
      for index in stride(from: 0, to: count, by: max(1, format.width)) where Bool.random(using: &random) {
        near[index] &+= 1
      }
      let blocks = [block, random.bytes(count), [UInt8](repeating: 7, count: count)]
      for block in blocks {
        for base in [nil, block, near, random.bytes(count), [UInt8](repeating: 0, count: count)] {
          let coded = coder.code(block, base: base, format)
          #expect(coded.bytes.count <= block.count, "seed \(seed), \(count) bytes")
          let back = try coder.read(coded.codec.rawValue, coded.bytes, base: base, format, count: count)
          #expect(back == block, "seed \(seed), \(count) bytes, \(coded.codec)")
        }
      }
    }
  }

  @Test("equal bytes are equal, near bytes a change or a delta, weights planes, noise raw", arguments: formats)
  func chooses(format: BlockFormat) {
    var random = SplitMix(state: 11)
    let noise = random.bytes(2048)
    var near = noise
    for index in stride(from: 0, to: 2048, by: format.width * 16) { near[index] ^= 1 }
    #expect(coder.code(noise, base: noise, format) == Coded(codec: .equal, bytes: []))
    #expect([.delta, .change].contains(coder.code(noise, base: near, format).codec))
    #expect(coder.code(noise, base: nil, format) == Coded(codec: .raw, bytes: noise))
    #expect(coder.code(random.weights(2048, width: format.width), base: nil, format).codec == .planes)
  }

  @Test("the values that floats make special survive a change or a delta from one to another")
  func specialFloats() throws {
    let specials: [UInt32] = [0, 0x8000_0000, 1, 0x8000_0001, 0x7f80_0000, 0xff80_0000, 0x7fc0_0001, 0xffff_ffff]
    func bytes(_ words: [UInt32]) -> [UInt8] {
      words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
    }
    let format = BlockFormat(width: 4, mantissa: 23)
    let block = bytes(specials.flatMap { [UInt32](repeating: $0, count: 64) })
    for shift in 1..<specials.count {
      let base = bytes(
        specials.indices.flatMap { index in
          [UInt32](repeating: specials[(index + shift) % specials.count], count: 64)
        })
      let coded = coder.code(block, base: base, format)
      #expect([.delta, .change].contains(coded.codec))
      #expect(try coder.read(coded.codec.rawValue, coded.bytes, base: base, format, count: block.count) == block)
    }
  }
}
