/// One encoded object. Layout: header, coded blocks, trailer; `Objects.docc/PackFormat.md` has the byte tables.
package enum Frame {
  /// The version this program writes, and the newest it reads.
  package static let version: UInt8 = 1
  /// Raw bytes of a block where nothing else is said: 512 KiB.
  package static let blockBytes = 512 * 1024
  /// Raw bytes of a block that a reader accepts at most.
  static let blockBytesMax = 16 * 1024 * 1024

  /// `STFR`, version, three zero bytes.
  package static let header: [UInt8] = Array("STFR".utf8) + [version, 0, 0, 0]
  static let tailBytes = 12
  static let tailMagic: [UInt8] = Array("RFTS".utf8)
}

/// What a frame's trailer says: the object, and where its blocks are.
package struct FrameTrailer: Sendable, Equatable {
  /// A coded block: blocks lie one after another from the end of the header.
  package struct Block: Sendable, Equatable {
    /// How it is coded; the number's meaning belongs to the codecs.
    package let codec: UInt8
    package let length: Int
    package let checksum: UInt32

    package init(codec: UInt8, length: Int, checksum: UInt32) {
      self.codec = codec
      self.length = length
      self.checksum = checksum
    }
  }

  /// Element type by number (`DType.code`); 0 for a file.
  package let dtype: UInt8
  /// Bytes of one coded unit: 1, 2, 4 or 8.
  package let width: Int
  /// Raw bytes of every block but the last.
  package let blockBytes: Int
  package let rawBytes: Int
  /// SHA-256 of the decoded object.
  package let digest: Digest
  /// The object whose same-numbered blocks the delta blocks of this frame refer to.
  package let base: Digest?
  /// The dtype number of the base whose elements are cast to `dtype`; 0 where its bytes are taken as they are.
  package let castFrom: UInt8
  package let blocks: [Block]
  /// Where each block begins, counted from the frame's first byte; one more entry than blocks.
  package let offsets: [Int]

  package init(
    dtype: UInt8, width: Int, blockBytes: Int, rawBytes: Int, digest: Digest, base: Digest?, castFrom: UInt8,
    blocks: [Block]
  ) {
    self.dtype = dtype
    self.width = width
    self.blockBytes = blockBytes
    self.rawBytes = rawBytes
    self.digest = digest
    self.base = base
    self.castFrom = castFrom
    self.blocks = blocks
    var at = Frame.header.count
    offsets =
      blocks.map { block in
        defer { at += block.length }
        return at
      } + [blocks.reduce(Frame.header.count) { $0 + $1.length }]
  }

  /// The raw range of a block.
  package func rawRange(ofBlock block: Int) -> Range<Int> {
    block * blockBytes..<min(rawBytes, (block + 1) * blockBytes)
  }

  /// The trailer's bytes, with the fixed tail.
  package func encoded() -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(100 + blocks.count * 9)
    out += [dtype, base == nil ? 0 : 1, UInt8(width), castFrom]
    out.append(little: UInt32(blockBytes))
    out.append(little: UInt64(rawBytes))
    out += digest.bytes
    if let base { out += base.bytes }
    out.append(little: UInt32(blocks.count))
    for block in blocks {
      out.append(block.codec)
      out.append(little: UInt32(block.length))
      out.append(little: block.checksum)
    }
    let sum = out.withUnsafeBytes { checksum($0) }
    let length = out.count
    out.append(little: sum)
    out.append(little: UInt32(length))
    return out + Frame.tailMagic
  }

  /// Reads a trailer without its tail; fails with the reason where it is not one.
  ///
  /// - Parameter frameBytes: the size of the whole frame, which the trailer has to claim; nil where it is not known.
  static func parse(_ bytes: UnsafeRawBufferPointer, frameBytes: Int?) -> Result<FrameTrailer, Reason> {
    var fields = FieldReader(bytes)
    guard let dtype = fields.integer(UInt8.self), let flags = fields.integer(UInt8.self),
      let width = fields.integer(UInt8.self), let castFrom = fields.integer(UInt8.self),
      let blockBytes = fields.integer(UInt32.self), let rawBytes = fields.integer(UInt64.self),
      let digest = fields.digest()
    else { return .failure(Reason("too short")) }
    guard flags <= 1, [1, 2, 4, 8].contains(width) else { return .failure(Reason("unknown flags")) }
    guard castFrom == 0 || flags == 1 else { return .failure(Reason("dtype \(castFrom) of no base")) }
    guard blockBytes > 0, blockBytes % 8 == 0, blockBytes <= Frame.blockBytesMax, rawBytes < 1 << 62 else {
      return .failure(Reason("impossible sizes"))
    }
    let base = flags == 1 ? fields.digest() : nil
    guard flags == 0 || base != nil, let count = fields.integer(UInt32.self) else {
      return .failure(Reason("too short"))
    }
    let expected = (Int(rawBytes) + Int(blockBytes) - 1) / Int(blockBytes)
    guard Int(count) == expected, fields.remaining == Int(count) * 9 else {
      return .failure(Reason("block count does not fit the size"))
    }
    var blocks: [Block] = []
    blocks.reserveCapacity(Int(count))
    for _ in 0..<count {
      guard let codec = fields.integer(UInt8.self), let length = fields.integer(UInt32.self),
        let sum = fields.integer(UInt32.self)
      else { return .failure(Reason("too short")) }
      blocks.append(Block(codec: codec, length: Int(length), checksum: sum))
    }
    let trailer = FrameTrailer(
      dtype: dtype, width: Int(width), blockBytes: Int(blockBytes), rawBytes: Int(rawBytes), digest: digest, base: base,
      castFrom: castFrom, blocks: blocks)
    guard frameBytes == nil || trailer.offsets.last! + bytes.count + Frame.tailBytes == frameBytes else {
      return .failure(Reason("block lengths do not fill the frame"))
    }
    return .success(trailer)
  }

  /// Why a trailer was refused.
  struct Reason: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }
}
