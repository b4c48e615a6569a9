internal import CKernels

/// Byte planes of the elements themselves: exponents of weights share few values and compress, mantissas do not.
///
/// The transform is that of ZipNN (arXiv 2411.05239): floats rotate left by one bit, so that the top plane is the
/// exponent.
enum PlaneCodec {
  /// Nil where the planes do not fit `block.count` bytes or the block is no whole number of elements.
  static func encode(
    _ block: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard block.count % format.width == 0 else { return nil }
    let planes = coder.scratch(block.count)
    ck_split(
      block.baseAddress, planes.baseAddress, block.count / format.width, Int32(format.width), format.isFloat ? 1 : 0)
    return PlaneTable.encode(UnsafeRawBufferPointer(planes), width: format.width, coder: coder, into: out)
  }

  /// Elements by which an estimate is made.
  private static let sampled = 4096

  /// About what the planes of a block take: by the entropies of the bytes of elements here and there, each on its own.
  static func estimate(_ block: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder) -> Double {
    let (width, n) = (format.width, block.count / format.width)
    let count = min(n, sampled)
    guard count > 0 else { return 0 }
    let room = coder.scratch(2 * count * width)
    let elements = UnsafeMutableRawBufferPointer(rebasing: room[(count * width)...])
    for index in 0..<count {
      let at = index * n / count * width
      UnsafeMutableRawBufferPointer(rebasing: elements[index * width..<(index + 1) * width])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: block[at..<at + width]))
    }
    ck_split(elements.baseAddress, room.baseAddress, count, Int32(width), format.isFloat ? 1 : 0)
    let bits = (0..<width).reduce(0.0) {
      $0 + NibbleCoder.entropy(of: UnsafeRawBufferPointer(rebasing: room[$1 * count..<($1 + 1) * count]))
    }
    return bits / 8 * Double(n)
  }

  static func decode(
    _ coded: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    guard out.count % format.width == 0 else { throw .length(expected: out.count, found: coded.count) }
    let planes = try PlaneTable.decode(coded, width: format.width, count: out.count, coder: coder)
    ck_join(planes, out.baseAddress, out.count / format.width, Int32(format.width), format.isFloat ? 1 : 0)
  }
}
