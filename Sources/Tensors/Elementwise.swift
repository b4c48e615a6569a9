internal import CKernels

/// The number type merge arithmetic is done in: `Float`, or `Double` where an input is F64.
///
/// Every method works on whole buffers, rounds each operation on its own (nothing is fused) and gives the same bits on
/// every machine. Stored buffers may have any alignment and hold at least as many elements as the wide buffer beside
/// them. Stored dtypes are F16, BF16 and F32, and F64 for `Double`; any other is a programming error.
package protocol WideElement: WideVectors {
  /// `out[i] = stored[i]`, exact.
  static func widen(_ stored: UnsafeRawBufferPointer, _ dtype: DType, into out: UnsafeMutableBufferPointer<Self>)

  /// `sum[i] = sum[i] + stored[i] * weight`.
  static func accumulate(
    _ stored: UnsafeRawBufferPointer, _ dtype: DType, times weight: Self, into sum: UnsafeMutableBufferPointer<Self>)

  /// `sum[i] = base[i] + sum[i]`.
  static func add(_ base: UnsafeBufferPointer<Self>, to sum: UnsafeMutableBufferPointer<Self>)

  /// `sum[i] = sum[i] / divisor`.
  static func divide(_ sum: UnsafeMutableBufferPointer<Self>, by divisor: Self)

  /// `sum[i] = sum[i] * factor`.
  static func scale(_ sum: UnsafeMutableBufferPointer<Self>, by factor: Self)

  /// Writes `wide` as `dtype` (F16, BF16, F32 or F64): one rounding to nearest, ties to even. Every NaN becomes the
  /// canonical quiet NaN: 7E00, 7FC0, 7FC00000, 7FF8000000000000.
  static func narrow(
    _ wide: UnsafeBufferPointer<Self>, to dtype: DType, into stored: UnsafeMutableRawBufferPointer)
}

extension Float: WideElement {
  package static func widen(
    _ stored: UnsafeRawBufferPointer, _ dtype: DType, into out: UnsafeMutableBufferPointer<Float>
  ) {
    let (count, target) = (out.count, out.baseAddress)
    check(stored, dtype, count)
    switch dtype {
    case .bf16: merge_widen_bf16_f32(target, stored.baseAddress, count)
    case .f16: merge_widen_f16_f32(target, stored.baseAddress, count)
    case .f32: merge_widen_f32_f32(target, stored.baseAddress, count)
    default: preconditionFailure("\(dtype) does not widen to f32")
    }
  }

  package static func accumulate(
    _ stored: UnsafeRawBufferPointer, _ dtype: DType, times weight: Float, into sum: UnsafeMutableBufferPointer<Float>
  ) {
    let (count, target) = (sum.count, sum.baseAddress)
    check(stored, dtype, count)
    switch dtype {
    case .bf16: merge_accumulate_bf16_f32(target, stored.baseAddress, weight, count)
    case .f16: merge_accumulate_f16_f32(target, stored.baseAddress, weight, count)
    case .f32: merge_accumulate_f32_f32(target, stored.baseAddress, weight, count)
    default: preconditionFailure("\(dtype) does not widen to f32")
    }
  }

  package static func add(_ base: UnsafeBufferPointer<Float>, to sum: UnsafeMutableBufferPointer<Float>) {
    precondition(base.count >= sum.count, "the base is shorter than the sum")
    merge_add_f32(sum.baseAddress, base.baseAddress, sum.count)
  }

  package static func divide(_ sum: UnsafeMutableBufferPointer<Float>, by divisor: Float) {
    merge_divide_f32(sum.baseAddress, divisor, sum.count)
  }

  package static func scale(_ sum: UnsafeMutableBufferPointer<Float>, by factor: Float) {
    merge_scale_f32(sum.baseAddress, factor, sum.count)
  }

  package static func narrow(
    _ wide: UnsafeBufferPointer<Float>, to dtype: DType, into stored: UnsafeMutableRawBufferPointer
  ) {
    let (count, target) = (wide.count, stored.baseAddress)
    check(UnsafeRawBufferPointer(stored), dtype, count)
    switch dtype {
    case .bf16: merge_narrow_f32_bf16(target, wide.baseAddress, count)
    case .f16: merge_narrow_f32_f16(target, wide.baseAddress, count)
    case .f32: merge_narrow_f32_f32(target, wide.baseAddress, count)
    case .f64: merge_narrow_f32_f64(target, wide.baseAddress, count)
    default: preconditionFailure("f32 is not written as \(dtype)")
    }
  }
}

extension Double: WideElement {
  package static func widen(
    _ stored: UnsafeRawBufferPointer, _ dtype: DType, into out: UnsafeMutableBufferPointer<Double>
  ) {
    let (count, target) = (out.count, out.baseAddress)
    check(stored, dtype, count)
    switch dtype {
    case .bf16: merge_widen_bf16_f64(target, stored.baseAddress, count)
    case .f16: merge_widen_f16_f64(target, stored.baseAddress, count)
    case .f32: merge_widen_f32_f64(target, stored.baseAddress, count)
    case .f64: merge_widen_f64_f64(target, stored.baseAddress, count)
    default: preconditionFailure("\(dtype) does not widen to f64")
    }
  }

  package static func accumulate(
    _ stored: UnsafeRawBufferPointer, _ dtype: DType, times weight: Double, into sum: UnsafeMutableBufferPointer<Double>
  ) {
    let (count, target) = (sum.count, sum.baseAddress)
    check(stored, dtype, count)
    switch dtype {
    case .bf16: merge_accumulate_bf16_f64(target, stored.baseAddress, weight, count)
    case .f16: merge_accumulate_f16_f64(target, stored.baseAddress, weight, count)
    case .f32: merge_accumulate_f32_f64(target, stored.baseAddress, weight, count)
    case .f64: merge_accumulate_f64_f64(target, stored.baseAddress, weight, count)
    default: preconditionFailure("\(dtype) does not widen to f64")
    }
  }

  package static func add(_ base: UnsafeBufferPointer<Double>, to sum: UnsafeMutableBufferPointer<Double>) {
    precondition(base.count >= sum.count, "the base is shorter than the sum")
    merge_add_f64(sum.baseAddress, base.baseAddress, sum.count)
  }

  package static func divide(_ sum: UnsafeMutableBufferPointer<Double>, by divisor: Double) {
    merge_divide_f64(sum.baseAddress, divisor, sum.count)
  }

  package static func scale(_ sum: UnsafeMutableBufferPointer<Double>, by factor: Double) {
    merge_scale_f64(sum.baseAddress, factor, sum.count)
  }

  package static func narrow(
    _ wide: UnsafeBufferPointer<Double>, to dtype: DType, into stored: UnsafeMutableRawBufferPointer
  ) {
    let (count, target) = (wide.count, stored.baseAddress)
    check(UnsafeRawBufferPointer(stored), dtype, count)
    switch dtype {
    case .bf16: merge_narrow_f64_bf16(target, wide.baseAddress, count)
    case .f16: merge_narrow_f64_f16(target, wide.baseAddress, count)
    case .f32: merge_narrow_f64_f32(target, wide.baseAddress, count)
    case .f64: merge_narrow_f64_f64(target, wide.baseAddress, count)
    default: preconditionFailure("f64 is not written as \(dtype)")
    }
  }
}

private func check(_ stored: UnsafeRawBufferPointer, _ dtype: DType, _ count: Int) {
  precondition(stored.count >= count * dtype.bits / 8, "\(count) elements of \(dtype) need more bytes")
}
