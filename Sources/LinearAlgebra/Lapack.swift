/// What LAPACK could not do.
package enum LapackFailure: Error, Equatable, CustomStringConvertible {
  /// A routine did not come to an end; `code` is LAPACK's INFO.
  case failed(routine: String, code: Int)
  /// OpenBLAS is not installed, or cannot be opened.
  case missing(reason: String)

  package var description: String {
    switch self {
    case .failed(let routine, let code): "LAPACK's \(routine) failed with INFO \(code)"
    case .missing(let reason): "OpenBLAS, which factors matrices, cannot be opened: \(reason)"
    }
  }
}

/// The routines of OpenBLAS that are used here, on matrices that lie row by row. Every one throws where the library is
/// not there.
///
/// Results may differ in their last bits from machine to machine, so they are stored and never computed again.
enum Lapack {
  /// `out = alpha · a b + beta · out`, with `a` rows × inner and `b` inner × columns, which may be given as its
  /// transpose.
  static func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, transposed isTransposed: Bool = false, rows: Int, inner: Int,
    columns: Int, alpha: Float = 1, beta: Float = 0, into out: UnsafeMutablePointer<Float>
  ) throws(LapackFailure) {
    precondition(max(rows, inner, columns) <= Int(Int32.max), "sizes beyond BLAS")
    try OpenBLAS.open().sgemm(
      OpenBLAS.rowMajor, OpenBLAS.asItIs, isTransposed ? OpenBLAS.transposed : OpenBLAS.asItIs, Int32(rows),
      Int32(columns), Int32(inner), alpha, a, Int32(inner), b, Int32(isTransposed ? inner : columns), beta, out,
      Int32(columns))
  }

  /// Replaces `count` rows of `length` numbers, no more rows than a row has numbers, by orthonormal rows that span the
  /// same space: Householder QR.
  static func orthonormalise(_ rows: inout [Float], count: Int, length: Int) throws(LapackFailure) {
    var (m, n) = (Int32(length), Int32(count))
    var (stride, vectors) = (m, n)
    var (size, info) = (Int32(-1), Int32(0))
    var tau = [Float](repeating: 0, count: count)
    var best: Float = 0
    let library = try OpenBLAS.open()
    library.sgeqrf(&m, &n, &rows, &stride, &tau, &best, &size, &info)
    size = max(1, Int32(best))
    var work = [Float](repeating: 0, count: Int(size))
    library.sgeqrf(&m, &n, &rows, &stride, &tau, &work, &size, &info)
    guard info == 0 else { throw LapackFailure.failed(routine: "sgeqrf", code: Int(info)) }
    size = -1
    library.sorgqr(&m, &n, &vectors, &rows, &stride, &tau, &best, &size, &info)
    size = max(1, Int32(best))
    work = [Float](repeating: 0, count: Int(size))
    library.sorgqr(&m, &n, &vectors, &rows, &stride, &tau, &work, &size, &info)
    guard info == 0 else { throw LapackFailure.failed(routine: "sorgqr", code: Int(info)) }
  }

  /// The singular value decomposition `left · diag(values) · right` of a matrix, which is destroyed.
  ///
  /// `left` is rows × k and `right` k × columns, each row by row, with k the smaller extent; values fall.
  static func decompose(
    _ matrix: inout [Float], rows: Int, columns: Int
  ) throws(LapackFailure) -> (left: [Float], values: [Float], right: [Float]) {
    let rank = min(rows, columns)
    // Column by column the same memory is the transpose, whose vectors are those of the other side.
    var (m, n, k) = (Int32(columns), Int32(rows), Int32(rank))
    var (stride, strideRight) = (m, m)
    var values = [Float](repeating: 0, count: rank)
    var right = [Float](repeating: 0, count: rank * columns)
    var left = [Float](repeating: 0, count: rows * rank)
    var indices = [Int32](repeating: 0, count: 8 * rank)
    var (size, info) = (Int32(-1), Int32(0))
    var best: Float = 0
    var job = CChar(UInt8(ascii: "S"))
    let library = try OpenBLAS.open()
    library.sgesdd(
      &job, &m, &n, &matrix, &stride, &values, &right, &strideRight, &left, &k, &best, &size, &indices, &info)
    // The length comes back as an f32, which may have rounded it down.
    size = max(1, Int32((best * 1.000_001).rounded(.up)))
    var work = [Float](repeating: 0, count: Int(size))
    library.sgesdd(
      &job, &m, &n, &matrix, &stride, &values, &right, &strideRight, &left, &k, &work, &size, &indices, &info)
    guard info == 0 else { throw LapackFailure.failed(routine: "sgesdd", code: Int(info)) }
    return (left, values, right)
  }
}
