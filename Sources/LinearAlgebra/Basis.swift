/// The leading left singular vectors of a matrix: an orthonormal basis of the part of its output side that holds most
/// of its squares.
package struct Basis: Sendable {
  /// How many vectors.
  package enum Size: Sendable, Equatable {
    /// As few as hold this share of the squares of the matrix.
    case energy(Double)
    /// This many, or as many as the matrix has.
    case rank(Int)
  }

  package let rank: Int
  /// rows × rank, row by row; singular values fall from column to column.
  package let columns: [Float]
  /// ‖UᵀM‖² / ‖M‖² of the columns as they are here, in f64.
  package let energy: Double

  /// Singular values below this share of the largest count as zero.
  private static let least = 1e-5
  /// Rows or columns that are widened at once.
  private static let panel = 256

  /// Finds the basis: eigenvectors of the smaller of M Mᵀ and MᵀM in f64, which f32 entries fill without loss that
  /// matters; of the latter turned to the left side by M. Memory beside the matrix: two matrices of f64 of its smaller
  /// extent squared, and the basis. Time: about (rows · columns + 9 · smaller²) · smaller operations on one thread.
  ///
  /// - Parameter matrix: rows × columns finite numbers.
  /// - Returns: nil where all are zero.
  /// - Throws: `LapackFailure`.
  package init?(of matrix: [Float], rows: Int, columns: Int, size: Size) throws(LapackFailure) {
    precondition(matrix.count == rows * columns && !matrix.isEmpty, "sizes do not fit")
    let isWide = rows <= columns
    let side = min(rows, columns)
    let library = try OpenBLAS.open()
    var gram = [Double](repeating: 0, count: side * side)
    Self.forEachPanel(of: matrix, rows: rows, columns: columns, acrossColumns: isWide) { panel, _, count in
      // A wide panel is rows × count and adds P Pᵀ; a tall one count × columns and adds PᵀP.
      library.dsyrk(
        OpenBLAS.rowMajor, OpenBLAS.upper, isWide ? OpenBLAS.asItIs : OpenBLAS.transposed, Int32(side), Int32(count), 1,
        panel,
        Int32(isWide ? count : columns), 1, &gram, Int32(side))
    }
    let values = try Lapack.eigenvectors(&gram, side)
    // From here `gram` has the eigenvectors as its rows, by rising values.
    guard let largest = values.last, largest > 0 else { return nil }
    let falling = values.reversed().prefix { $0 > largest * Self.least * Self.least }
    let total = values.reduce(0) { $0 + max(0, $1) }
    let rank =
      switch size {
      case .rank(let wanted): min(wanted, falling.count)
      case .energy(let share): Self.count(falling, holding: share * total)
      }
    precondition(rank > 0, "a basis has at least one vector")
    var basis = [Float](repeating: 0, count: rows * rank)
    if isWide {
      for row in 0..<rows {
        for place in 0..<rank { basis[row * rank + place] = Float(gram[(side - 1 - place) * side + row]) }
      }
    } else {
      let vectors = (0..<rank).flatMap { gram[(side - 1 - $0) * side..<(side - $0) * side] }
      let lengths = falling.prefix(rank).map { $0.squareRoot() }
      var part = [Double](repeating: 0, count: Self.panel * rank)
      Self.forEachPanel(of: matrix, rows: rows, columns: columns, acrossColumns: false) { panel, start, count in
        library.dgemm(
          OpenBLAS.rowMajor, OpenBLAS.asItIs, OpenBLAS.transposed, Int32(count), Int32(rank), Int32(columns), 1, panel,
          Int32(columns), vectors, Int32(columns), 0, &part, Int32(rank))
        for index in 0..<count * rank { basis[start * rank + index] = Float(part[index] / lengths[index % rank]) }
      }
    }
    self.rank = rank
    self.columns = basis
    energy = min(1, try Self.squares(of: matrix, rows: rows, columns: columns, on: basis, rank: rank) / total)
  }

  private static func count(_ falling: some Collection<Double>, holding share: Double) -> Int {
    var sum = 0.0
    for (index, value) in falling.enumerated() {
      sum += value
      // All of it may be missed by rounding.
      if sum >= share * (1 - 1e-12) { return index + 1 }
    }
    return falling.count
  }

  /// ‖UᵀM‖².
  private static func squares(
    of matrix: [Float], rows: Int, columns: Int, on basis: [Float], rank: Int
  ) throws(LapackFailure) -> Double {
    let library = try OpenBLAS.open()
    let wide = basis.map(Double.init)
    var (part, sum) = ([Double](repeating: 0, count: rank * panel), 0.0)
    forEachPanel(of: matrix, rows: rows, columns: columns, acrossColumns: true) { panel, _, count in
      library.dgemm(
        OpenBLAS.rowMajor, OpenBLAS.transposed, OpenBLAS.asItIs, Int32(rank), Int32(count), Int32(rows), 1, wide,
        Int32(rank), panel,
        Int32(count), 0, &part, Int32(count))
      for index in 0..<rank * count { sum += part[index] * part[index] }
    }
    return sum
  }

  /// Hands over a matrix in f64, some of its columns or rows at a time.
  private static func forEachPanel(
    of matrix: [Float], rows: Int, columns: Int, acrossColumns: Bool,
    _ body: (_ panel: [Double], _ start: Int, _ count: Int) -> Void
  ) {
    let extent = acrossColumns ? columns : rows
    var wide = [Double](repeating: 0, count: min(panel, extent) * (acrossColumns ? rows : columns))
    for start in stride(from: 0, to: extent, by: panel) {
      let count = min(panel, extent - start)
      if acrossColumns {
        for row in 0..<rows {
          for column in 0..<count { wide[row * count + column] = Double(matrix[row * columns + start + column]) }
        }
      } else {
        for index in 0..<count * columns { wide[index] = Double(matrix[start * columns + index]) }
      }
      body(wide, start, count)
    }
  }

  /// The largest |UᵀU − I| of any two columns, in f64; `columns` are rows × rank, row by row. Infinite where a number
  /// is not finite.
  package static func orthonormalityError(_ columns: [Float], rank: Int) throws(LapackFailure) -> Double {
    let gram = try products(columns, rank, columns, rank)
    var worst = 0.0
    for (index, value) in gram.enumerated() {
      let error = abs(value - (index / rank == index % rank ? 1 : 0))
      if !error.isFinite { return .infinity }
      worst = max(worst, error)
    }
    return worst
  }

  /// ‖AᵀB‖² of two bases of as many rows, in f64.
  package static func overlap(
    _ a: [Float], rank first: Int, _ b: [Float], rank second: Int
  ) throws(LapackFailure) -> Double {
    try products(a, first, b, second).reduce(0) { $0 + $1 * $1 }
  }

  /// AᵀB of two bases of as many rows.
  private static func products(
    _ a: [Float], _ first: Int, _ b: [Float], _ second: Int
  ) throws(LapackFailure) -> [Double] {
    precondition(a.count / first == b.count / second, "bases of different lengths")
    let rows = a.count / first
    var out = [Double](repeating: 0, count: first * second)
    for start in stride(from: 0, to: rows, by: panel) {
      let end = min(rows, start + panel)
      let left = a[start * first..<end * first].map(Double.init)
      let right = b[start * second..<end * second].map(Double.init)
      try Lapack.addProduct(left, first, right, second, rows: end - start, into: &out)
    }
    return out
  }
}

extension Lapack {
  /// `out += aᵀ b`, with `a` rows × first and `b` rows × second.
  static func addProduct(
    _ a: [Double], _ first: Int, _ b: [Double], _ second: Int, rows: Int, into out: inout [Double]
  ) throws(LapackFailure) {
    try OpenBLAS.open().dgemm(
      OpenBLAS.rowMajor, OpenBLAS.transposed, OpenBLAS.asItIs, Int32(first), Int32(second), Int32(rows), 1, a,
      Int32(first), b,
      Int32(second), 1, &out, Int32(second))
  }

  /// Replaces a symmetric matrix, of which the upper half row by row is read, by its eigenvectors, one a row; gives
  /// their eigenvalues, which rise.
  static func eigenvectors(_ matrix: inout [Double], _ side: Int) throws(LapackFailure) -> [Double] {
    let library = try OpenBLAS.open()
    var (n, stride, info) = (Int32(side), Int32(side), Int32(0))
    var values = [Double](repeating: 0, count: side)
    var (size, count) = (Int32(-1), Int32(-1))
    var (best, indices) = ([0.0], [Int32(0)])
    // Row by row the upper half is, column by column, the lower.
    var (job, half) = (CChar(UInt8(ascii: "V")), CChar(UInt8(ascii: "L")))
    library.dsyevd(&job, &half, &n, &matrix, &stride, &values, &best, &size, &indices, &count, &info)
    (size, count) = (Int32(best[0]), indices[0])
    best = [Double](repeating: 0, count: Int(size))
    indices = [Int32](repeating: 0, count: Int(count))
    library.dsyevd(&job, &half, &n, &matrix, &stride, &values, &best, &size, &indices, &count, &info)
    guard info == 0 else { throw LapackFailure.failed(routine: "dsyevd", code: Int(info)) }
    return values
  }
}
