/// How a block is coded, by the number that the frame's block table stores. Numbers never change meaning.
package enum BlockCodec: UInt8, Sendable, CaseIterable {
  /// The bytes themselves.
  case raw = 0
  /// Byte planes, each through zstd where that pays.
  case planes = 1
  /// Difference from the base's block in order-preserving integers, then planes.
  case delta = 2
  /// The base's block itself: no bytes.
  case equal = 3
}

/// What a codec must know of the elements: the width of the coded unit and whether it is a sign-magnitude float.
package struct BlockFormat: Sendable, Equatable {
  /// 1, 2, 4 or 8 bytes.
  package let width: Int
  package let isFloat: Bool

  /// - Precondition: width is 1, 2, 4 or 8.
  package init(width: Int, isFloat: Bool) {
    precondition([1, 2, 4, 8].contains(width), "units are of 1, 2, 4 or 8 bytes")
    self.width = width
    self.isFloat = isFloat
  }
}

/// Codes and decodes blocks with buffers and zstd contexts of its own; one for each worker.
package final class BlockCoder {
  let zstd: ZstdContexts
  let nibbles: NibbleCoder
  private(set) var planes: UnsafeMutableRawBufferPointer
  /// Where the planes of a block under way lie.
  let places: UnsafeMutablePointer<UnsafePointer<UInt8>?>

  package init() {
    zstd = ZstdContexts()
    nibbles = NibbleCoder()
    planes = .allocate(byteCount: 0, alignment: 64)
    places = .allocate(capacity: 8)
    places.initialize(repeating: nil, count: 8)
  }

  deinit {
    planes.deallocate()
    places.deallocate()
  }

  /// Room that `encode` needs for a block of `count` bytes.
  package static func capacity(for count: Int) -> Int { count + 128 }

  /// Codes one block into `out` (at least `capacity(for:)` bytes) and says how.
  ///
  /// With a base: equal where the bytes are the same, else a delta, else — where the delta saves less than a third —
  /// the smallest of delta, planes and raw. Without: planes, or raw where those do not save 1 %.
  /// - Parameter base: as many bytes as `block`, or nil.
  package func encode(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, format: BlockFormat,
    into out: UnsafeMutableRawBufferPointer
  ) -> (codec: BlockCodec, count: Int) {
    precondition(out.count >= Self.capacity(for: block.count), "room for a raw block")
    guard block.count > 0 else { return (.raw, 0) }
    var best: (codec: BlockCodec, count: Int)?
    if let base {
      precondition(base.count == block.count, "a base block has the block's length")
      if EqualCodec.applies(block, base: base) { return (.equal, 0) }
      if let count = DeltaCodec.encode(block, base: base, format: format, coder: self, into: out) {
        if count * 3 <= block.count * 2 { return (.delta, count) }
        best = (.delta, count)
      }
    }
    let limit = min(best?.count ?? .max, block.count - block.count / 100)
    if let count = PlaneCodec.encode(block, format: format, coder: self, into: out), count < limit {
      return (.planes, count)
    }
    if let best, best.count < block.count, let base,
      let count = DeltaCodec.encode(block, base: base, format: format, coder: self, into: out)
    {
      return (.delta, count)
    }
    out.copyMemory(from: block)
    return (.raw, block.count)
  }

  /// Decodes one block into `out`, whose count is the block's raw length.
  package func decode(
    _ number: UInt8, _ coded: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, format: BlockFormat,
    into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    guard let codec = BlockCodec(rawValue: number) else { throw .unknownCodec(number) }
    switch codec {
    case .raw:
      guard coded.count == out.count else { throw .length(expected: out.count, found: coded.count) }
      out.copyMemory(from: coded)
    case .planes: try PlaneCodec.decode(coded, format: format, coder: self, into: out)
    case .delta: try DeltaCodec.decode(coded, base: base, format: format, coder: self, into: out)
    case .equal: try EqualCodec.decode(coded, base: base, into: out)
    }
  }

  /// Scratch for `count` bytes of planes; contents are whatever was there.
  func scratch(_ count: Int) -> UnsafeMutableRawBufferPointer {
    if planes.count < count {
      planes.deallocate()
      planes = .allocate(byteCount: count, alignment: 64)
    }
    return UnsafeMutableRawBufferPointer(rebasing: planes[0..<count])
  }
}
