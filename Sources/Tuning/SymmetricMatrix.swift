/// Small symmetric matrices, row by row.
enum SymmetricMatrix {
  static func identity(_ extent: Int) -> [Double] {
    (0..<extent * extent).map { $0 / extent == $0 % extent ? 1 : 0 }
  }

  /// Eigenvalues and eigenvectors (in columns) by cyclic Jacobi rotations, to the accuracy of f64.
  ///
  /// Golub and Van Loan, "Matrix Computations", section 8.5. Some 10 sweeps of n³ each; for n up to about 100.
  static func eigenvectors(of matrix: [Double], extent n: Int) -> (values: [Double], vectors: [Double]) {
    var a = matrix
    var vectors = identity(n)
    for _ in 0..<64 {
      var off = 0.0
      for row in 0..<n { for column in 0..<row { off += a[row * n + column] * a[row * n + column] } }
      let whole = a.reduce(0) { $0 + $1 * $1 }
      if off <= whole * 0x1p-104 { break }
      for p in 0..<n {
        for q in p + 1..<max(n, p + 1) where a[p * n + q] != 0 { rotate(&a, &vectors, p, q, n) }
      }
    }
    return ((0..<n).map { a[$0 * n + $0] }, vectors)
  }

  /// Makes the element (p, q) zero.
  private static func rotate(_ a: inout [Double], _ vectors: inout [Double], _ p: Int, _ q: Int, _ n: Int) {
    let tau = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q])
    let t = (tau >= 0 ? 1 : -1) / (tau.magnitude + (1 + tau * tau).squareRoot())
    let c = 1 / (1 + t * t).squareRoot()
    let s = t * c
    for k in 0..<n {
      let (left, right) = (a[k * n + p], a[k * n + q])
      a[k * n + p] = c * left - s * right
      a[k * n + q] = s * left + c * right
    }
    for k in 0..<n {
      let (upper, lower) = (a[p * n + k], a[q * n + k])
      a[p * n + k] = c * upper - s * lower
      a[q * n + k] = s * upper + c * lower
      let (left, right) = (vectors[k * n + p], vectors[k * n + q])
      vectors[k * n + p] = c * left - s * right
      vectors[k * n + q] = s * left + c * right
    }
    (a[p * n + q], a[q * n + p]) = (0, 0)
  }
}
