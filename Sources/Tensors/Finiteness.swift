internal import CKernels

extension DType {
  /// The first NaN or infinity among stored elements; nil where all are finite, or where the dtype is none of F16,
  /// BF16, F32 and F64. One pass over the bytes, as fast as memory; the buffer may lie at any address.
  package func firstNonfinite(in stored: UnsafeRawBufferPointer) -> (index: Int, value: Double)? {
    let count = stored.count * 8 / bits
    let isFinite =
      switch self {
      case .bf16: ck_highest16(stored.baseAddress, count) < 0x7F80
      case .f16: ck_highest16(stored.baseAddress, count) < 0x7C00
      case .f32: ck_highest32(stored.baseAddress, count) < 0x7F80_0000
      case .f64: ck_highest64(stored.baseAddress, count) < 0x7FF0_0000_0000_0000
      default: true
      }
    if isFinite { return nil }
    for index in 0..<count {
      let value = number(at: index, of: stored)
      if !value.isFinite { return (index, value) }
    }
    return nil
  }

  private func number(at index: Int, of stored: UnsafeRawBufferPointer) -> Double {
    var value = 0.0
    withUnsafeMutablePointer(to: &value) { value in
      let element = UnsafeRawBufferPointer(rebasing: stored[(index * bits / 8)...].prefix(bits / 8))
      Double.widen(element, self, into: UnsafeMutableBufferPointer(start: value, count: 1))
    }
    return value
  }
}
