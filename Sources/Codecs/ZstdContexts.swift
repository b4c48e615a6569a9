internal import CZstd

/// How a plane is compressed. All make ordinary zstd frames.
enum ZstdProfile: Int, CaseIterable {
  /// Text and small integers: level 3.
  case ordinary
  /// Planes with runs and repetitions: level 1, which beats level 3 on planes, with matches of 7 bytes or more. Shorter
  /// ones cost more than the literals they replace.
  case runs
  /// Planes that look like noise with a skewed distribution (exponents, low bytes of differences): Huffman codes with
  /// next to no search, three times as fast as level 1 to make and to read, and smaller.
  case noise
}

/// Zstd contexts, reused from plane to plane.
final class ZstdContexts {
  private let compressions: [OpaquePointer]
  private let decompression: OpaquePointer

  init() {
    guard let decompression = ZSTD_createDCtx() else { preconditionFailure("out of memory for zstd contexts") }
    self.decompression = decompression
    compressions = ZstdProfile.allCases.map { profile in
      guard let context = ZSTD_createCCtx() else { preconditionFailure("out of memory for zstd contexts") }
      for (parameter, value) in Self.parameters(profile) { ZSTD_CCtx_setParameter(context, parameter, value) }
      return context
    }
  }

  deinit {
    for context in compressions { ZSTD_freeCCtx(context) }
    ZSTD_freeDCtx(decompression)
  }

  private static func parameters(_ profile: ZstdProfile) -> [(ZSTD_cParameter, Int32)] {
    switch profile {
    case .ordinary: [(ZSTD_c_compressionLevel, 3)]
    case .runs: [(ZSTD_c_compressionLevel, 1), (ZSTD_c_minMatch, 7)]
    case .noise:
      // Negative levels leave literals as they are unless told (ZSTD_c_literalCompressionMode, ZSTD_lcm_huffman).
      [(ZSTD_c_compressionLevel, -100), (ZSTD_c_minMatch, 7), (ZSTD_c_hashLog, 8), (ZSTD_c_experimentalParam5, 1)]
    }
  }

  /// Bytes written, or nil where they do not fit.
  func compress(
    _ bytes: UnsafeRawBufferPointer, as profile: ZstdProfile, into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    let count = ZSTD_compress2(
      compressions[profile.rawValue], out.baseAddress, out.count, bytes.baseAddress, bytes.count)
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
