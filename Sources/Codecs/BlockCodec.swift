package import Tensors

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
  /// Change of each element from the base's, entropy-coded by how large the changes around it are in units of its last
  /// place.
  case change = 4
  /// Byte planes of F32 as the BF16 or F16 that its values are.
  case narrowed = 5
  /// Which elements became zero, and the block as if they had stayed the base's, by one of the codecs that use it.
  case pruned = 6

  /// Whether it takes the base's block to decode.
  package var usesBase: Bool { [.delta, .equal, .change, .pruned].contains(self) }
}

/// What a codec must know of the elements: the width of the coded unit and the layout of its bits.
package struct BlockFormat: Sendable, Equatable {
  /// 1, 2, 4 or 8 bytes.
  package let width: Int
  /// Bits of a float's mantissa, below its exponent and its sign; 0 for integers.
  package let mantissa: Int

  /// A sign-magnitude float.
  package var isFloat: Bool { mantissa > 0 }

  /// - Precondition: width is 1, 2, 4 or 8, and a mantissa leaves room for sign and exponent.
  package init(width: Int, mantissa: Int) {
    precondition([1, 2, 4, 8].contains(width), "units are of 1, 2, 4 or 8 bytes")
    precondition(mantissa == 0 || (2..<8 * width - 1).contains(mantissa), "a mantissa between 2 bits and the exponent")
    self.width = width
    self.mantissa = mantissa
  }

  /// That of a tensor's elements.
  package init(_ dtype: DType) { self.init(width: dtype.codingWidth, mantissa: dtype.codingMantissa) }

  /// That of a file.
  package static let bytes = BlockFormat(width: 1, mantissa: 0)

  /// The base's block of such elements, for a block as long as `out`.
  func checked(
    _ base: UnsafeRawBufferPointer?, for out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) -> UnsafeRawBufferPointer {
    guard let base else { throw .missingBase }
    guard base.count == out.count, out.count % width == 0 else {
      throw .length(expected: out.count, found: base.count)
    }
    return base
  }
}

/// Codes and decodes blocks with buffers and zstd contexts of its own; one for each worker.
package final class BlockCoder {
  let zstd: ZstdContexts
  let nibbles: NibbleCoder
  let changes: ChangeCodec
  private var planes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var narrowed = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var prunings = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// Where the planes of a block under way lie.
  let places: UnsafeMutablePointer<UnsafePointer<UInt8>?>

  package init() {
    zstd = ZstdContexts()
    nibbles = NibbleCoder()
    changes = ChangeCodec()
    places = .allocate(capacity: 8)
    places.initialize(repeating: nil, count: 8)
  }

  deinit {
    planes.deallocate()
    narrowed.deallocate()
    prunings.deallocate()
    places.deallocate()
  }

  /// Room that `encode` needs for a block of `count` bytes.
  package static func capacity(for count: Int) -> Int { count + 128 }

  /// Codes one block into `out` (at least `capacity(for:)` bytes) and says how.
  ///
  /// With a base: equal where the bytes are the same, pruned where many elements became zero, else the change or the
  /// delta, else — where planes might be smaller — the smallest of it, planes and raw. Without: planes, of narrowed
  /// elements where that can be, or raw where those do not save 1 %.
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
      let pruned = block.count < Self.smallBytes ? nil : encode(block, base, format, as: .pruned, into: out)
      best = pruned.map { (.pruned, $0) } ?? encodeChange(block, base: base, format: format, into: out)
      if let best, Double(best.count) <= PlaneCodec.estimate(block, format: format, coder: self) { return best }
      // Bytes that repeat, such as zeros at the end of nearly narrow elements, are for planes of either kind.
      if best?.codec != .delta, let delta = encode(block, base, format, as: .delta, into: out),
        delta < best?.count ?? .max
      {
        best = (.delta, delta)
      }
    }
    let limit = min(best?.count ?? .max, block.count - block.count / 100)
    if let planes = encodePlanes(block, format: format, into: out), planes.count < limit { return planes }
    if let best, best.count < block.count, let base, let count = encode(block, base, format, as: best.codec, into: out)
    {
      return (best.codec, count)
    }
    out.copyMemory(from: block)
    return (.raw, block.count)
  }

  private func encodePlanes(
    _ block: UnsafeRawBufferPointer, format: BlockFormat, into out: UnsafeMutableRawBufferPointer
  ) -> (codec: BlockCodec, count: Int)? {
    if let count = NarrowCodec.encode(block, format: format, coder: self, into: out) { return (.narrowed, count) }
    return PlaneCodec.encode(block, format: format, coder: self, into: out).map { (.planes, $0) }
  }

  /// Blocks below this are so small that tables decide.
  private static let smallBytes = 64 * 1024

  /// Equal where it is, else the change where it applies. Where that need not be the smaller, of integers, floats of 8
  /// bits and small blocks, the delta is tried too.
  func encodeChange(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, format: BlockFormat,
    into out: UnsafeMutableRawBufferPointer
  ) -> (codec: BlockCodec, count: Int)? {
    if EqualCodec.applies(block, base: base) { return (.equal, 0) }
    let change = encode(block, base, format, as: .change, into: out)
    if let change, format.isFloat, format.width > 1, block.count >= Self.smallBytes { return (.change, change) }
    if let delta = encode(block, base, format, as: .delta, into: out), delta <= change ?? .max {
      return (.delta, delta)
    }
    return encode(block, base, format, as: .change, into: out).map { (.change, $0) }
  }

  private func encode(
    _ block: UnsafeRawBufferPointer, _ base: UnsafeRawBufferPointer, _ format: BlockFormat, as codec: BlockCodec,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    switch codec {
    case .pruned: return PrunedCodec.encode(block, base: base, format: format, coder: self, into: out)
    case .change:
      guard ChangeCodec.applies(to: format) else { return nil }
      return changes.encode(block, base: base, format: format, coder: self, into: out)
    default: return DeltaCodec.encode(block, base: base, format: format, coder: self, into: out)
    }
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
    case .pruned: try PrunedCodec.decode(coded, base: base, format: format, coder: self, into: out)
    case .narrowed: try NarrowCodec.decode(coded, format: format, coder: self, into: out)
    case .change: try changes.decode(coded, base: base, format: format, coder: self, into: out)
    }
  }

  /// Scratch for `count` bytes of planes; contents are whatever was there.
  func scratch(_ count: Int) -> UnsafeMutableRawBufferPointer {
    planes.grow(to: count)
    return UnsafeMutableRawBufferPointer(rebasing: planes[0..<count])
  }

  /// Scratch for a mask of `count` elements and a block of so many bytes.
  func pruned(
    _ count: Int, bytes: Int
  ) -> (mask: UnsafeMutableRawBufferPointer, block: UnsafeMutableRawBufferPointer) {
    let start = ((count + 7) / 8 + 63) & ~63
    prunings.grow(to: start + bytes)
    return (
      UnsafeMutableRawBufferPointer(rebasing: prunings[..<((count + 7) / 8)]),
      UnsafeMutableRawBufferPointer(rebasing: prunings[start..<start + bytes])
    )
  }

  /// Scratch for `count` narrowed elements of a block and of its base.
  func narrow(_ count: Int) -> (block: UnsafeMutableRawBufferPointer, base: UnsafeMutableRawBufferPointer) {
    narrowed.grow(to: 4 * count + 128)
    let middle = (2 * count + 63) & ~63
    return (
      UnsafeMutableRawBufferPointer(rebasing: narrowed[..<(2 * count)]),
      UnsafeMutableRawBufferPointer(rebasing: narrowed[middle..<middle + 2 * count])
    )
  }
}
