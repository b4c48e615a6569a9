internal import CKernels
internal import Glibc

/// F32 whose values are all those of a type of half the size.
enum Narrowing {
  private static let tile = 2048

  /// Puts the values of F32 into `out` as BF16 or F16; false where one of them would change.
  static func narrow(_ block: UnsafeRawBufferPointer, to isBF16: Bool, into out: UnsafeMutableRawBufferPointer) -> Bool
  {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: tile) { wide in
      for start in stride(from: 0, to: out.count / 2, by: tile) {
        let count = min(tile, out.count / 2 - start)
        let from = UnsafeRawBufferPointer(rebasing: block[4 * start..<4 * (start + count)])
        let to = UnsafeMutableRawBufferPointer(rebasing: out[2 * start..<2 * (start + count)])
        round(from, to: isBF16, into: to)
        widen(UnsafeRawBufferPointer(to), from: isBF16, into: UnsafeMutableRawBufferPointer(wide))
        if memcmp(wide.baseAddress!, from.baseAddress!, from.count) != 0 { return false }
      }
      return true
    }
  }

  /// The nearest values, ties to even; NaN becomes the canonical one.
  static func round(_ block: UnsafeRawBufferPointer, to isBF16: Bool, into out: UnsafeMutableRawBufferPointer) {
    let wide = block.baseAddress?.assumingMemoryBound(to: Float.self)
    (isBF16 ? merge_narrow_f32_bf16 : merge_narrow_f32_f16)(out.baseAddress, wide, out.count / 2)
  }

  static func widen(_ block: UnsafeRawBufferPointer, from isBF16: Bool, into out: UnsafeMutableRawBufferPointer) {
    let wide = out.baseAddress?.assumingMemoryBound(to: Float.self)
    (isBF16 ? merge_widen_bf16_f32 : merge_widen_f16_f32)(wide, block.baseAddress, block.count / 2)
  }
}
