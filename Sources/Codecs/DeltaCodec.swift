internal import CKernels

/// The difference of a block from its base's block, in byte planes.
///
/// Floats are mapped to integers in the order of their values (the mapping of FM-Delta, NeurIPS 2024), so that the
/// difference counts representable values between the two; it wraps, and is folded so that small differences of either
/// sign leave the upper planes empty.
enum DeltaCodec {
  /// Nil where the planes do not fit `block.count` bytes or the block is no whole number of elements.
  static func encode(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard block.count % format.width == 0 else { return nil }
    let planes = coder.scratch(block.count)
    ck_delta_split(
      block.baseAddress, base.baseAddress, planes.baseAddress, block.count / format.width, Int32(format.width),
      format.isFloat ? 1 : 0)
    return PlaneTable.encode(UnsafeRawBufferPointer(planes), width: format.width, coder: coder, into: out)
  }

  static func decode(
    _ coded: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    let base = try format.checked(base, for: out)
    let planes = try PlaneTable.decode(coded, width: format.width, count: out.count, coder: coder)
    ck_delta_join(
      planes, base.baseAddress, out.baseAddress, out.count / format.width, Int32(format.width),
      format.isFloat ? 1 : 0)
  }
}
