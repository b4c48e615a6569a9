import Codecs
import Objects
import Tensors

/// Reads ranges of one stored object: of each block it touches only that block, and its base's.
final class ObjectReader: Sendable {
  let trailer: FrameTrailer
  private let file: any StorageFile
  private let path: String
  private let offset: Int
  let base: DeltaBase?

  /// What a workspace's buffers are for at each level of a chain.
  enum Buffer: Int, CaseIterable { case coded, block, whole, cast }

  /// The number of a buffer.
  static func buffer(_ buffer: Buffer, level: Int) -> Int { level * Buffer.allCases.count + buffer.rawValue }

  /// Opens the frame at a place in a pack; checks its header and trailer.
  ///
  /// - Parameter base: the object that the frame's deltas refer to.
  init(file: any StorageFile, path: String, offset: Int, length: Int, object: Digest, base: ObjectReader?) throws {
    self.file = file
    self.path = path
    self.offset = offset
    let trailer = try Pack.readTrailer(in: file, offset: offset, length: length, object: object, path: path)
    self.trailer = trailer
    guard trailer.castFrom != 0 else {
      self.base = base.map { DeltaBase(reader: $0, cast: nil) }
      return
    }
    guard let base, let own = DType(code: trailer.dtype),
      let cast = DType(code: trailer.castFrom).flatMap({ FloatCast(from: $0, to: own) }),
      trailer.width == cast.targetBytes, trailer.rawBytes % cast.targetBytes == 0, base.size % cast.sourceBytes == 0
    else {
      throw ObjectsError.frameTrailer(
        object: object, pack: path, offset: offset,
        reason: "its base cannot be cast from dtype \(trailer.castFrom) to \(trailer.dtype)")
    }
    self.base = DeltaBase(reader: base, cast: cast)
  }

  var size: Int { trailer.rawBytes }

  /// Fills `out` with the raw bytes from `start`. Uses workspace buffers from number `level` on.
  func read(at start: Int, into out: UnsafeMutableRawBufferPointer, _ space: Workspace, level: Int = 0) throws {
    var at = start
    while at < start + out.count {
      let block = at / trailer.blockBytes
      let range = trailer.rawRange(ofBlock: block)
      let end = min(range.upperBound, start + out.count)
      let target = UnsafeMutableRawBufferPointer(rebasing: out[at - start..<end - start])
      if at == range.lowerBound && end == range.upperBound {
        try decode(block, into: target, space, level: level)
      } else {
        let whole = try wholeBlock(block, range, space, level: level)
        target.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: whole[at - range.lowerBound..<end - range.lowerBound]))
      }
      at = end
    }
  }

  /// A block that is wanted in parts, decoded once as long as no other is: rows in another order are read one by one.
  private func wholeBlock(
    _ index: Int, _ range: Range<Int>, _ space: Workspace, level: Int
  ) throws -> UnsafeMutableRawBufferPointer {
    let buffer = space.buffer(Self.buffer(.whole, level: level), count: range.count)
    let wanted = Workspace.Held(object: trailer.digest, range: range)
    if space.held[level] == wanted { return buffer }
    space.held[level] = nil
    try decode(index, into: buffer, space, level: level)
    space.held[level] = wanted
    return buffer
  }

  /// Decodes one block after checking its bytes.
  private func decode(
    _ index: Int, into out: UnsafeMutableRawBufferPointer, _ space: Workspace, level: Int
  ) throws {
    let block = trailer.blocks[index]
    if block.codec == BlockCodec.equal.rawValue, block.length == 0, let base {
      return try base.fill(out, with: trailer.rawRange(ofBlock: index), space, level: level + 1)
    }
    let coded = space.buffer(Self.buffer(.coded, level: level), count: block.length)
    let found = try file.read(into: coded, at: offset + trailer.offsets[index])
    guard found == block.length else {
      throw ObjectsError.truncated(
        path: path, offset: offset + trailer.offsets[index], wanted: block.length, available: found)
    }
    let sum = checksum(UnsafeRawBufferPointer(coded))
    guard sum == block.checksum else {
      throw ObjectsError.blockChecksum(
        object: trailer.digest, pack: path, block: index, expected: block.checksum, found: sum)
    }
    var baseBytes: UnsafeRawBufferPointer?
    if BlockCodec(rawValue: block.codec)?.usesBase == true, let base {
      baseBytes = try base.block(trailer.rawRange(ofBlock: index), space, level: level + 1)
    }
    try space.coder.decode(
      block.codec, UnsafeRawBufferPointer(coded), base: baseBytes, format: trailer.format, into: out)
  }

  /// The raw bytes of a range as a base offers them: zeros past the end of this object.
  func block(_ range: Range<Int>, _ space: Workspace, level: Int) throws -> UnsafeRawBufferPointer {
    let out = space.buffer(Self.buffer(.block, level: level), count: range.count)
    try fill(out, with: range, space, level: level)
    return UnsafeRawBufferPointer(out)
  }

  /// The same, into a buffer of the caller's.
  func fill(
    _ out: UnsafeMutableRawBufferPointer, with range: Range<Int>, _ space: Workspace, level: Int
  ) throws {
    let there = max(0, min(range.count, size - range.lowerBound))
    try read(
      at: range.lowerBound, into: UnsafeMutableRawBufferPointer(rebasing: out[0..<there]), space, level: level)
    if there < range.count {
      UnsafeMutableRawBufferPointer(rebasing: out[there...]).initializeMemory(as: UInt8.self, repeating: 0)
    }
  }
}

extension FrameTrailer {
  /// How the blocks of this frame are coded.
  var format: BlockFormat {
    guard let dtype = DType(code: dtype), dtype.codingWidth == width else {
      return BlockFormat(width: width, mantissa: 0)
    }
    return BlockFormat(dtype)
  }
}
