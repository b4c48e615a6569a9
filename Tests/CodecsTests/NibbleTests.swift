import Foundation
import TestSupport
import Testing

@testable import Codecs

@Suite("halves of bytes, entropy-coded")
struct NibbleTests {
  /// Bytes of eight independent bits each.
  private static func bits(_ count: Int, density: Double, _ random: inout SplitMix) -> [UInt8] {
    (0..<count).map { _ in
      (0..<8).reduce(0) { $0 | (Double.random(in: 0..<1, using: &random) < density ? 1 << UInt8($1) : 0) }
    }
  }

  private static func code(_ bytes: [UInt8], _ coder: NibbleCoder, room: Int = 1 << 20) -> [UInt8]? {
    var out = [UInt8](repeating: 0, count: room)
    let count = bytes.withUnsafeBytes { bytes in out.withUnsafeMutableBytes { coder.encode(bytes, into: $0) } }
    return count.map { Array(out[..<$0]) }
  }

  private static func read(_ coded: [UInt8], _ coder: NibbleCoder, count: Int) -> [UInt8]? {
    var out = [UInt8](repeating: 0xA5, count: count)
    let isDone = coded.withUnsafeBytes { coded in out.withUnsafeMutableBytes { coder.decode(coded, into: $0) } }
    return isDone ? out : nil
  }

  @Test("every path writes the same and reads it, of any length and any bytes")
  func roundTrip() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for count in [1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 1000, 4096, 70_001] {
      for bytes in [
        random.bytes(count), random.weights(count, width: 2), [UInt8](repeating: 7, count: count),
        Self.bits(count, density: 0.02, &random),
      ] {
        let coded = Self.code(bytes, NibbleCoder())
        for path in NibbleCoder.paths {
          let coder = NibbleCoder(path: path)
          #expect(Self.code(bytes, coder) == coded, "\(count), path \(path), seed \(seed)")
          #expect(coded.flatMap { Self.read($0, coder, count: count) } == bytes, "\(count), path \(path), seed \(seed)")
        }
      }
    }
  }

  @Test(
    "sparse bits take no more than 3 % above their entropy, and 700 bytes", arguments: [0.001, 0.01, 0.03, 0.1, 0.5])
  func sizes(density: Double) throws {
    var random = SplitMix(state: 11)
    let bytes = Self.bits(200_000, density: density, &random)
    let entropy = -(density * log2(density) + (1 - density) * log2(1 - density)) * Double(bytes.count)
    let coded = try #require(Self.code(bytes, NibbleCoder()))
    #expect(Double(coded.count) < 1.03 * entropy + 700)
    let block = BlockCoder().code(bytes, base: nil, BlockFormat.bytes)
    #expect(Double(block.bytes.count) < 1.05 * entropy + 700)
  }

  @Test("where there is no room nothing is made")
  func room() throws {
    var random = SplitMix(state: 12)
    let bytes = Self.bits(3000, density: 0.1, &random)
    for path in NibbleCoder.paths {
      let coder = NibbleCoder(path: path)
      let whole = try #require(Self.code(bytes, coder))
      #expect(Self.code(bytes, coder, room: whole.count) == whole)
      for room in [0, 1, 20, 150, whole.count - 1] { #expect(Self.code(bytes, coder, room: room) == nil) }
    }
  }

  @Test("a changed or missing byte is refused or read as something else, by every path alike")
  func hostile() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let bytes = Self.bits(2500, density: 0.05, &random)
    let coded = try #require(Self.code(bytes, NibbleCoder()))
    let coders = NibbleCoder.paths.map { NibbleCoder(path: $0) }
    for index in coded.indices {
      var changed = coded
      changed[index] ^= UInt8.random(in: 1...255, using: &random)
      let found = coders.map { Self.read(changed, $0, count: bytes.count) }
      #expect(found.allSatisfy { $0 == found[0] }, "byte \(index), seed \(seed)")
    }
    for count in 0..<coded.count {
      for coder in coders { #expect(Self.read(Array(coded[..<count]), coder, count: bytes.count) == nil) }
    }
    for count in [0, 1, bytes.count - 1, bytes.count + 1] {
      for coder in coders { #expect(Self.read(coded, coder, count: count) == nil) }
    }
  }

  @Test("frequencies add up to 4096, none that occurs is 0, whatever the counts")
  func frequencies() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    #expect(FrequencyTable(counts: [0, 0]) == nil)
    for _ in 0..<200 {
      let counts = (0..<16).map { _ in
        Bool.random(using: &random)
          ? 0 : Int.random(in: 1...(1 << Int.random(in: 0...30, using: &random)), using: &random)
      }
      guard let table = FrequencyTable(counts: counts) else { continue }
      #expect(table.frequencies.reduce(0) { $0 + Int($1) } == 4096, "seed \(seed)")
      #expect(zip(counts, table.frequencies).allSatisfy { ($0 > 0) == ($1 > 0) }, "seed \(seed)")
      var bytes: [UInt8] = []
      table.write(to: &bytes)
      bytes.append(99)
      bytes.withUnsafeBytes { bytes in
        var rest = bytes[...]
        #expect(FrequencyTable(from: &rest)?.frequencies == table.frequencies, "seed \(seed)")
        #expect(rest.count == 1)
      }
    }
  }
}
