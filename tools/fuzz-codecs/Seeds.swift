import Codecs

/// Inputs to start from: coded blocks of every codec and format, and the changes that made them.
struct Seeds {
  /// What an input may have at most.
  private static let longest = 8192

  private let checks: CodecChecks

  init(_ checks: CodecChecks) { self.checks = checks }

  func all() -> [[UInt8]] {
    var seeds = golden()
    var random = SmallRandom(state: 1)
    for format in FuzzedBlock.formats.indices {
      for codec in [1, 2, 3, 4, 5, 6, FuzzedBlock.nibbles] {
        for (base, how) in [
          (0, 1), (1, 1), (1, 2), (2, 0), (3, 1), (3, 2), (3, 4), (3, 5), (3, 6), (4, 3), (5, 7), (6, 2),
        ] {
          let elements = [3, 64, 130, 700, 1500, 4097, 4230][Int(random.next() % 7)]
          let count = min(elements * FuzzedBlock.formats[format].width, FuzzedBlock.longest)
          let changes = (0..<29).map { _ in UInt8(truncatingIfNeeded: random.next() & random.next()) &- 32 }
          let shift = how == 2 && base == 6 ? 13 : UInt8(random.next() % 16)
          let payload = codec == 3 ? [1, 0, 0] : [UInt8(how), shift] + changes
          seeds += both(
            codec, payload, seed: UInt8(random.next() % 4), format: format, base: base, count: count,
            isWhole: random.next() % 4 == 0)
        }
      }
    }
    return seeds.filter { $0.count <= Self.longest }
  }

  /// The coded block, and as often as that is wanted the block.
  private func both(
    _ codec: UInt8, _ payload: [UInt8], seed: UInt8, format: Int, base: Int, count: Int, isWhole: Bool
  ) -> [[UInt8]] {
    func head(_ kind: FuzzedBlock.Payload) -> [UInt8] {
      FuzzedBlock.head(kind, codec: codec, format: format, base: base, isBased: true, count: count, seed: seed)
    }
    let block = head(.block) + payload
    guard let input = FuzzedBlock(block), let coded = checks.code(input) else { return [] }
    return [head(.coded) + coded] + (isWhole ? [block, head(.damages) + payload + [0, 20, 1, 1]] : [])
  }

  /// Some of those of GoldenTests: an empty block, a plane as it is, a zstd frame, halves of bytes.
  private func golden() -> [[UInt8]] {
    func head(_ codec: UInt8, _ count: Int, format: Int = 6) -> [UInt8] {
      FuzzedBlock.head(.coded, codec: codec, format: format, base: 1, isBased: true, count: count, seed: 0)
    }
    let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0x21, 0, 0, 9, 8, 7, 6]
    func states(_ first: UInt32) -> [UInt8] {
      ([first] + [UInt32](repeating: 1 << 16, count: 31)).flatMap { x in
        (0..<4).map { UInt8(truncatingIfNeeded: x >> UInt32(8 * $0)) }
      }
    }
    let halves: [UInt8] = [3, 0, 0x80, 0x10, 1, 0, 2, 0, 0, 0, 0, 0] + states(1 << 17) + states(1 << 16)
    return [
      head(0, 0), head(3, 0), head(3, 77), head(5, 4), head(0, 3) + [1, 2, 3],
      head(1, 8, format: 0) + [0, 4, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1, 0, 1, 0x7f],
      head(2, 128, format: 0) + [2, 1, 0, 0, 0, 2, 1, 0, 0, 0, 2, 0],
      head(1, 4) + [1, 13, 0, 0, 0] + frame, head(FuzzedBlock.nibbles, 1) + halves,
      head(1, 1) + [3, UInt8(halves.count & 255), UInt8(halves.count >> 8), 0, 0] + halves,
    ]
  }
}
