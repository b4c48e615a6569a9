internal import CKernels
internal import Glibc

/// A type of half the size that holds all values of a block of F32, by the number that coded blocks store.
enum NarrowType: UInt8, CaseIterable {
  case bf16 = 1
  case f16 = 2

  var format: BlockFormat { BlockFormat(width: 2, mantissa: self == .bf16 ? 7 : 10) }

  private static let tile = 2048

  /// The type that holds the values of F32, which are put into `out` then; nil where one of them would change.
  static func narrow(
    _ block: UnsafeRawBufferPointer, format: BlockFormat, into out: UnsafeMutableRawBufferPointer
  ) -> NarrowType? {
    guard format == .f32 else { return nil }
    return allCases.first { $0.narrow(block, into: out) }
  }

  private func narrow(_ block: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Bool {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.tile) { wide in
      for start in stride(from: 0, to: out.count / 2, by: Self.tile) {
        let count = min(Self.tile, out.count / 2 - start)
        let from = UnsafeRawBufferPointer(rebasing: block[4 * start..<4 * (start + count)])
        let to = UnsafeMutableRawBufferPointer(rebasing: out[2 * start..<2 * (start + count)])
        round(from, into: to)
        widen(UnsafeRawBufferPointer(to), into: UnsafeMutableRawBufferPointer(wide))
        if memcmp(wide.baseAddress!, from.baseAddress!, from.count) != 0 { return false }
      }
      return true
    }
  }

  /// The nearest values, ties to even; NaN becomes the canonical one.
  func round(_ block: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) {
    let wide = block.baseAddress?.assumingMemoryBound(to: Float.self)
    (self == .bf16 ? merge_narrow_f32_bf16 : merge_narrow_f32_f16)(out.baseAddress, wide, out.count / 2)
  }

  func widen(_ block: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) {
    let wide = out.baseAddress?.assumingMemoryBound(to: Float.self)
    (self == .bf16 ? merge_widen_bf16_f32 : merge_widen_f16_f32)(wide, block.baseAddress, block.count / 2)
  }
}

extension BlockFormat {
  static let f32 = BlockFormat(width: 4, mantissa: 23)
}

/// F32 as planes of the narrower type that holds its values: a byte for the type, then those.
enum NarrowCodec {
  /// Nil where no narrower type holds the values, or the planes of one that does are not smaller than they.
  static func encode(
    _ block: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard block.count % 4 == 0 else { return nil }
    let narrow = coder.narrow(block.count / 4).block
    guard let type = NarrowType.narrow(block, format: format, into: narrow) else { return nil }
    out[0] = type.rawValue
    return PlaneCodec.encode(
      UnsafeRawBufferPointer(narrow), format: type.format, coder: coder,
      into: UnsafeMutableRawBufferPointer(rebasing: out[1...])
    ).map { 1 + $0 }
  }

  static func decode(
    _ coded: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    guard format == .f32, out.count % 4 == 0 else { throw .narrowed(reason: "elements that are not F32") }
    guard let type = coded.first.flatMap(NarrowType.init) else { throw .narrowed(reason: "no known type") }
    let narrow = coder.narrow(out.count / 4).block
    try PlaneCodec.decode(
      UnsafeRawBufferPointer(rebasing: coded[1...]), format: type.format, coder: coder, into: narrow)
    type.widen(UnsafeRawBufferPointer(narrow), into: out)
  }
}
