internal import CKernels

/// Loops over chunks of wide numbers; each works on as many elements as its first buffer has.
///
/// As everywhere in merging each operation is rounded on its own, and results do not depend on the machine.
package protocol WideVectors: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  /// The unsigned integer of this width.
  associatedtype Bits: FixedWidthInteger & UnsignedInteger

  /// `out[i] = stored[i] - base[i]`, both stored as BF16 at any alignment.
  static func changeBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, into out: UnsafeMutableBufferPointer<Self>)

  /// `out[i] = x[i] - base[i]`.
  static func subtract(
    _ base: UnsafePointer<Self>, from x: UnsafePointer<Self>, into out: UnsafeMutableBufferPointer<Self>)

  /// `values[i] = values[i] * factor * weight; sum[i] = sum[i] + values[i]`.
  static func weigh(
    _ values: UnsafeMutableBufferPointer<Self>, times factor: Self, times weight: Self,
    into sum: UnsafeMutablePointer<Self>
  )

  /// Zeroes what has bits, without the sign, outside of `low...high`; everything where `low > high`.
  static func keep(_ values: UnsafeMutableBufferPointer<Self>, from low: Bits, through high: Bits)

  /// Zeroes what has bit 0. The first element's bit is bit `first % 8`, the least significant first, of byte
  /// `first / 8`.
  static func keep(_ values: UnsafeMutableBufferPointer<Self>, where bits: UnsafeRawPointer, from first: Int)

  /// Replaces sums of changes by the sums of those that have the sum's sign (zero counts as plus), divided, if asked
  /// for, by the sum of their weights. The changes of the model at `k` begin at `changes + k * stride`.
  static func elect(
    _ sums: UnsafeMutableBufferPointer<Self>, among changes: UnsafePointer<Self>, stride: Int, weights: [Self],
    normalize: Bool)

  /// `Σ |values[i]|` in f64, over sixteen lanes that are added pairwise.
  static func magnitudes(_ values: UnsafePointer<Self>, _ count: Int) -> Double

  /// The same of all, and of those that have bit 1; the first element's is the least significant of the first byte.
  static func magnitudes(
    _ values: UnsafePointer<Self>, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double)

  /// The same of `stored[i] - base[i]`, both stored as BF16 at any alignment.
  static func magnitudesBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double)

  /// `weigh` of `stored[i] - base[i]`, of 0 where the bit is 0.
  static func weighBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, where bits: UnsafeRawPointer, times factor: Self,
    times weight: Self, into values: UnsafeMutableBufferPointer<Self>, and sum: UnsafeMutablePointer<Self>)

  /// `Σ a[i] b[i]` in f64, over sixteen lanes that are added pairwise.
  static func products(_ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>, _ count: Int) -> Double
}

extension Float: WideVectors {
  /// The bits of an f32.
  package typealias Bits = UInt32

  package static func changeBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, into out: UnsafeMutableBufferPointer<Float>
  ) {
    merge_change_bf16_f32(out.baseAddress, stored, base, out.count)
  }

  package static func subtract(
    _ base: UnsafePointer<Float>, from x: UnsafePointer<Float>, into out: UnsafeMutableBufferPointer<Float>
  ) {
    merge_subtract_f32(out.baseAddress, x, base, out.count)
  }

  package static func weigh(
    _ values: UnsafeMutableBufferPointer<Float>, times factor: Float, times weight: Float,
    into sum: UnsafeMutablePointer<Float>
  ) {
    merge_weigh_f32(sum, values.baseAddress, factor, weight, values.count)
  }

  package static func keep(_ values: UnsafeMutableBufferPointer<Float>, from low: UInt32, through high: UInt32) {
    merge_keep_f32(values.baseAddress, low, high, values.count)
  }

  package static func keep(
    _ values: UnsafeMutableBufferPointer<Float>, where bits: UnsafeRawPointer, from first: Int
  ) {
    merge_keep_bits_f32(values.baseAddress, bits.assumingMemoryBound(to: UInt8.self), first, values.count)
  }

  package static func elect(
    _ sums: UnsafeMutableBufferPointer<Float>, among changes: UnsafePointer<Float>, stride: Int, weights: [Float],
    normalize: Bool
  ) {
    merge_elect_f32(sums.baseAddress, changes, stride, weights, weights.count, normalize ? 1 : 0, sums.count)
  }

  package static func magnitudes(_ values: UnsafePointer<Float>, _ count: Int) -> Double {
    merge_magnitudes_f32(values, count)
  }

  package static func magnitudes(
    _ values: UnsafePointer<Float>, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double) {
    var sums = (all: 0.0, kept: 0.0)
    merge_magnitudes_bits_f32(values, bits.assumingMemoryBound(to: UInt8.self), count, &sums.all, &sums.kept)
    return sums
  }

  package static func magnitudesBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double) {
    var sums = (all: 0.0, kept: 0.0)
    merge_magnitudes_change_f32(
      stored, base, bits.assumingMemoryBound(to: UInt8.self), count, &sums.all, &sums.kept)
    return sums
  }

  package static func weighBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, where bits: UnsafeRawPointer, times factor: Float,
    times weight: Float, into values: UnsafeMutableBufferPointer<Float>, and sum: UnsafeMutablePointer<Float>
  ) {
    merge_weigh_change_f32(
      sum, values.baseAddress, stored, base, bits.assumingMemoryBound(to: UInt8.self), factor, weight, values.count)
  }

  package static func products(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
    merge_products_f32(a, b, count)
  }
}

extension Double: WideVectors {
  /// The bits of an f64.
  package typealias Bits = UInt64

  package static func changeBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, into out: UnsafeMutableBufferPointer<Double>
  ) {
    merge_change_bf16_f64(out.baseAddress, stored, base, out.count)
  }

  package static func subtract(
    _ base: UnsafePointer<Double>, from x: UnsafePointer<Double>, into out: UnsafeMutableBufferPointer<Double>
  ) {
    merge_subtract_f64(out.baseAddress, x, base, out.count)
  }

  package static func weigh(
    _ values: UnsafeMutableBufferPointer<Double>, times factor: Double, times weight: Double,
    into sum: UnsafeMutablePointer<Double>
  ) {
    merge_weigh_f64(sum, values.baseAddress, factor, weight, values.count)
  }

  package static func keep(_ values: UnsafeMutableBufferPointer<Double>, from low: UInt64, through high: UInt64) {
    merge_keep_f64(values.baseAddress, low, high, values.count)
  }

  package static func keep(
    _ values: UnsafeMutableBufferPointer<Double>, where bits: UnsafeRawPointer, from first: Int
  ) {
    merge_keep_bits_f64(values.baseAddress, bits.assumingMemoryBound(to: UInt8.self), first, values.count)
  }

  package static func elect(
    _ sums: UnsafeMutableBufferPointer<Double>, among changes: UnsafePointer<Double>, stride: Int, weights: [Double],
    normalize: Bool
  ) {
    merge_elect_f64(sums.baseAddress, changes, stride, weights, weights.count, normalize ? 1 : 0, sums.count)
  }

  package static func magnitudes(_ values: UnsafePointer<Double>, _ count: Int) -> Double {
    merge_magnitudes_f64(values, count)
  }

  package static func magnitudes(
    _ values: UnsafePointer<Double>, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double) {
    var sums = (all: 0.0, kept: 0.0)
    merge_magnitudes_bits_f64(values, bits.assumingMemoryBound(to: UInt8.self), count, &sums.all, &sums.kept)
    return sums
  }

  package static func magnitudesBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, _ count: Int, where bits: UnsafeRawPointer
  ) -> (all: Double, kept: Double) {
    var sums = (all: 0.0, kept: 0.0)
    merge_magnitudes_change_f64(
      stored, base, bits.assumingMemoryBound(to: UInt8.self), count, &sums.all, &sums.kept)
    return sums
  }

  package static func weighBF16(
    _ stored: UnsafeRawPointer, from base: UnsafeRawPointer, where bits: UnsafeRawPointer, times factor: Double,
    times weight: Double, into values: UnsafeMutableBufferPointer<Double>, and sum: UnsafeMutablePointer<Double>
  ) {
    merge_weigh_change_f64(
      sum, values.baseAddress, stored, base, bits.assumingMemoryBound(to: UInt8.self), factor, weight, values.count)
  }

  package static func products(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
    merge_products_f64(a, b, count)
  }
}
