internal import CKernels

/// Numbers that low-rank changes of a matrix are computed in, each operation rounded on its own.
package protocol LowRankElement: WideElement {
  /// `out[i][j] += scale · Σ left[i][k] right[k][j]`, the sum over k in rising order.
  ///
  /// `left` holds `rows` rows of `rank` numbers; rows of `out` and `right` lie their strides apart. The buffers hold
  /// all that these sizes reach.
  static func addProduct(
    _ left: UnsafePointer<Self>, _ right: UnsafePointer<Self>, scale: Self, rows: Int, columns: Int, rank: Int,
    rightStride: Int, to out: UnsafeMutablePointer<Self>, outStride: Int)

  /// Adds each number's square to the sum beside it.
  static func addSquares(_ row: UnsafeBufferPointer<Self>, to sums: UnsafeMutablePointer<Double>)
}

extension Float: LowRankElement {
  package static func addProduct(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, scale: Float, rows: Int, columns: Int, rank: Int,
    rightStride: Int, to out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    lowrank_add_f32(out, left, right, scale, rows, columns, rank, outStride, rank, rightStride)
  }

  package static func addSquares(_ row: UnsafeBufferPointer<Float>, to sums: UnsafeMutablePointer<Double>) {
    lowrank_add_squares_f32(sums, row.baseAddress, row.count)
  }
}

extension Double: LowRankElement {
  package static func addProduct(
    _ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, scale: Double, rows: Int, columns: Int, rank: Int,
    rightStride: Int, to out: UnsafeMutablePointer<Double>, outStride: Int
  ) {
    lowrank_add_f64(out, left, right, scale, rows, columns, rank, outStride, rank, rightStride)
  }

  package static func addSquares(_ row: UnsafeBufferPointer<Double>, to sums: UnsafeMutablePointer<Double>) {
    lowrank_add_squares_f64(sums, row.baseAddress, row.count)
  }
}
