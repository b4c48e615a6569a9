import Crypto
import TestSupport
import Testing

@testable import Objects

@Suite("Digests")
struct DigestTests {
  @Test("A running digest is SHA-256 by an independent library, however the bytes are cut")
  func cuts() {
    let seed = UInt64.random(in: 0 ... .max)
    var numbers = SplitMix(state: seed)
    for length in [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000, 4099] {
      let bytes = bytes(length, &numbers)
      var running = RunningDigest()
      var at = 0
      while at < length {
        let next = min(length, at + Int(numbers.next() % 150))
        bytes[at..<next].withUnsafeBytes { running.update($0) }
        at = next
      }
      #expect(running.finish().bytes == Array(SHA256.hash(data: bytes)), "length \(length), seed \(seed)")
    }
  }

  @Test("Two digests side by side are those of each alone, wherever each stands", arguments: [true, false])
  func two(instructions: Bool) {
    let seed = UInt64.random(in: 0 ... .max)
    var numbers = SplitMix(state: seed)
    for _ in 0..<100 {
      let (head, other, both) = (
        Int(numbers.next() % 130), Int(numbers.next() % 130), Int(numbers.next() % 400)
      )
      let (a, b) = (bytes(head + both, &numbers), bytes(other + both, &numbers))
      // Without instructions at hand the first case is the second.
      var one = instructions ? RunningDigest() : RunningDigest(instructions: false)
      var two = RunningDigest()
      a[..<head].withUnsafeBytes { one.update($0) }
      b[..<other].withUnsafeBytes { two.update($0) }
      a[head...].withUnsafeBytes { first in
        b[other...].withUnsafeBytes { second in RunningDigest.update(&one, first, &two, second) }
      }
      let found = (one.finish().bytes, two.finish().bytes)
      #expect(found.0 == Array(SHA256.hash(data: a)), "\(head), \(other), \(both), seed \(seed)")
      #expect(found.1 == Array(SHA256.hash(data: b)), "\(head), \(other), \(both), seed \(seed)")
    }
  }

  @Test("A copy of a running digest goes its own way")
  func copies() {
    var one = RunningDigest()
    Array("abc".utf8).withUnsafeBytes { one.update($0) }
    let digest = one.finish()
    var copy = one
    Array("def".utf8).withUnsafeBytes { copy.update($0) }
    #expect(one.finish() == digest)
    #expect(digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(copy.finish() == Digest(of: Array("abcdef".utf8)))
  }

  @Test("A checksum is CRC-32C by its definition, for short and long stretches")
  func checksums() {
    #expect(Array("123456789".utf8).withUnsafeBytes { checksum($0) } == 0xE306_9283)
    let seed = UInt64.random(in: 0 ... .max)
    var numbers = SplitMix(state: seed)
    for length in [1, 7, 8, 4095, 4096, 4097, 4119, 4120, 9999] {
      let bytes = bytes(length, &numbers)
      #expect(bytes.withUnsafeBytes { checksum($0) } == definition(bytes), "length \(length), seed \(seed)")
    }
  }

  private func definition(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = ~0
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }

  private func bytes(_ count: Int, _ numbers: inout SplitMix) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
  }
}
