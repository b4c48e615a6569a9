internal import Glibc
internal import Tensors

/// Two factors whose product is near a matrix: `left · right`, of the matrix's rows × rank and rank × columns.
package struct LowRankFit: Sendable {
  package let rank: Int
  /// Row by row; the singular values' roots are in both factors, as mergekit has them.
  package let left: [Float]
  package let right: [Float]
  /// ‖matrix‖², and ‖matrix − left · right‖² of the factors as they are here; Frobenius, in f64.
  package let squares: Double
  package let residualSquares: Double

  /// How the search is done: extra directions beside the rank, rounds of power iteration, and what it starts from.
  package struct Search: Sendable {
    package let seed: UInt32
    package let powerIterations: Int

    package init(seed: UInt32 = 0, powerIterations: Int = 4) {
      self.seed = seed
      self.powerIterations = powerIterations
    }

    /// Flat spectra, such as those of fine-tunes, need many.
    package func directions(rank: Int) -> Int { 2 * rank + 16 }
  }

  /// Finds the factors of at most `rank` that leave the least of a matrix, which holds what is left when it returns.
  ///
  /// Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithms 4.4 and 5.1:
  /// a random matrix is multiplied by `M` and `Mᵀ` in turn, made orthonormal in between, and the singular value
  /// decomposition is that of the small matrix which results. Where that would not be small, it is of `M` itself,
  /// and takes its memory once more.
  ///
  /// - Parameter matrix: rows × columns numbers, all finite.
  /// - Throws: `LapackFailure`.
  package init(
    of matrix: inout [Float], rows: Int, columns: Int, rank wanted: Int, search: Search = Search()
  ) throws(LapackFailure) {
    precondition(matrix.count == rows * columns && wanted > 0, "sizes do not fit")
    let rank = min(wanted, rows, columns)
    self.rank = rank
    squares = Self.squares(matrix)
    let directions = search.directions(rank: rank)
    if rank == 0 {
      (left, right) = ([], [])
    } else if directions >= min(rows, columns) {
      var copy = matrix
      let found = try Lapack.decompose(&copy, rows: rows, columns: columns)
      let roots = found.values.prefix(rank).map { $0.squareRoot() }
      let width = min(rows, columns)
      left = Self.build(rows * rank) { found.left[$0 / rank * width + $0 % rank] * roots[$0 % rank] }
      right = Self.build(rank * columns) { found.right[$0] * roots[$0 / columns] }
    } else {
      (left, right) = try Self.search(
        matrix, rows: rows, columns: columns, rank: rank, directions: directions, search)
    }
    if rank > 0 {
      try Lapack.multiply(left, right, rows: rows, inner: rank, columns: columns, alpha: -1, beta: 1, into: &matrix)
    }
    residualSquares = Self.squares(matrix)
  }

  private static func search(
    _ matrix: [Float], rows: Int, columns: Int, rank: Int, directions: Int, _ search: Search
  ) throws(LapackFailure) -> (left: [Float], right: [Float]) {
    var wide = normal(directions * columns, seed: search.seed)
    // Rows of `tall` span what `M` makes of those of `wide`, and the other way round.
    var tall = [Float](repeating: 0, count: directions * rows)
    for _ in 0...search.powerIterations {
      try Lapack.multiply(wide, matrix, transposed: true, rows: directions, inner: columns, columns: rows, into: &tall)
      try Lapack.orthonormalise(&tall, count: directions, length: rows)
      try Lapack.multiply(tall, matrix, rows: directions, inner: rows, columns: columns, into: &wide)
      try Lapack.orthonormalise(&wide, count: directions, length: columns)
    }
    try Lapack.multiply(wide, matrix, transposed: true, rows: directions, inner: columns, columns: rows, into: &tall)
    // tall = wide Mᵀ, so M is near tallᵀ wide, and the vectors of tallᵀ are those of M on its left.
    let small = try Lapack.decompose(&tall, rows: directions, columns: rows)
    let roots = small.values.prefix(rank).map { $0.squareRoot() }
    let left = build(rows * rank) { small.right[$0 % rank * rows + $0 / rank] * roots[$0 % rank] }
    let turn = build(rank * directions) { index in
      let (position, direction) = index.quotientAndRemainder(dividingBy: directions)
      return small.left[direction * directions + position] * roots[position]
    }
    var right = [Float](repeating: 0, count: rank * columns)
    try Lapack.multiply(turn, wide, rows: rank, inner: directions, columns: columns, into: &right)
    return (left, right)
  }

  private static func build(_ count: Int, _ element: (Int) -> Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count { buffer[index] = element(index) }
      initialized = count
    }
  }

  private static func squares(_ values: [Float]) -> Double {
    values.isEmpty ? 0 : values.withUnsafeBufferPointer { Float.products($0.baseAddress!, $0.baseAddress!, $0.count) }
  }

  /// Normally distributed numbers (Box and Muller) from Philox words.
  private static func normal(_ count: Int, seed: UInt32) -> [Float] {
    var words = [UInt32](repeating: 0, count: (count + 1) / 2 * 2)
    words.withUnsafeMutableBufferPointer { Philox(seed, 0x5356_4421).fill($0, from: 0) }
    return build(count) { index in
      let (first, second) = (words[index & ~1], words[index | 1])
      let radius = (-2 * log((Double(first) + 0.5) / 0x1p32)).squareRoot()
      let angle = Double(second) / 0x1p32 * 2 * Double.pi
      return Float(radius * (index & 1 == 0 ? cos(angle) : sin(angle)))
    }
  }
}
