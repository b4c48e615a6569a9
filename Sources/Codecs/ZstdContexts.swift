internal import CZstd

/// A pair of zstd contexts, reused from plane to plane.
final class ZstdContexts {
  private let compression: OpaquePointer
  private let decompression: OpaquePointer

  init() {
    guard let compression = ZSTD_createCCtx(), let decompression = ZSTD_createDCtx() else {
      preconditionFailure("out of memory for zstd contexts")
    }
    self.compression = compression
    self.decompression = decompression
    // Level 1 beats level 3 on planes in size and speed; longer minimum matches spare useless searches.
    ZSTD_CCtx_setParameter(compression, ZSTD_c_compressionLevel, 1)
    ZSTD_CCtx_setParameter(compression, ZSTD_c_contentSizeFlag, 1)
    ZSTD_CCtx_setParameter(compression, ZSTD_c_checksumFlag, 0)
  }

  deinit {
    ZSTD_freeCCtx(compression)
    ZSTD_freeDCtx(decompression)
  }

  /// Bytes written, or nil where they do not fit.
  func compress(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Int? {
    let count = ZSTD_compress2(compression, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
    return ZSTD_isError(count) == 0 ? count : nil
  }

  /// Fills `out` exactly, or throws.
  func decompress(
    _ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer, plane: Int
  ) throws(CodecError) {
    let count = ZSTD_decompressDCtx(decompression, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
    guard ZSTD_isError(count) == 0 else {
      throw .zstd(plane: plane, reason: String(cString: ZSTD_getErrorName(count)))
    }
    guard count == out.count else { throw .length(expected: out.count, found: count) }
  }
}
