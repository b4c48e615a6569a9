import LinearAlgebra
import TestSupport
import Testing

@Suite("low-rank factors")
struct LowRankFitTests {
  /// A matrix whose singular values are these, between random orthonormal vectors.
  private func matrix(_ rows: Int, _ columns: Int, _ values: [Double], seed: UInt64) -> [Float] {
    var random = SplitMix(state: seed)
    let left = orthonormal(values.count, rows, &random)
    let right = orthonormal(values.count, columns, &random)
    return (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      return Float(values.indices.reduce(0.0) { $0 + values[$1] * left[$1][row] * right[$1][column] })
    }
  }

  /// Gram and Schmidt, twice for precision.
  private func orthonormal(_ count: Int, _ length: Int, _ random: inout SplitMix) -> [[Double]] {
    var found: [[Double]] = []
    for _ in 0..<count {
      var vector = (0..<length).map { _ in Double.random(in: -1...1, using: &random) }
      for _ in 0..<2 {
        for other in found {
          let share = zip(vector, other).reduce(0.0) { $0 + $1.0 * $1.1 }
          for index in vector.indices { vector[index] -= share * other[index] }
        }
        let norm = vector.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
        for index in vector.indices { vector[index] /= norm }
      }
      found.append(vector)
    }
    return found
  }

  @Test(
    "the residual is that of the best factors, for spectra that fall fast, slowly or not", arguments: [0.5, 0.95, 1])
  func best(decay: Double) throws {
    for (rows, columns, rank) in [(90, 70, 4), (70, 90, 4), (64, 64, 20), (40, 120, 12)] {
      var value = 3.0
      let values = (0..<min(rows, columns)).map { _ in
        defer { value *= decay }
        return value
      }
      var left = matrix(rows, columns, values, seed: 7)
      let fit = try LowRankFit(of: &left, rows: rows, columns: columns, rank: rank)
      let all = values.reduce(0) { $0 + $1 * $1 }
      let dropped = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }
      #expect(abs(fit.squares - all) < 1e-5 * all)
      #expect(
        abs(fit.residualSquares.squareRoot() - dropped.squareRoot()) < 2e-3 * all.squareRoot(), "\(rows)×\(columns)")
      #expect(fit.residualSquares >= dropped * 0.999 - 1e-9 * all)
    }
  }

  @Test("at full rank nothing is left, and the factors' product is the matrix")
  func full() throws {
    for (rows, columns) in [(12, 30), (30, 12), (17, 17), (1, 9), (9, 1)] {
      let original = matrix(rows, columns, Array(repeating: 1, count: min(rows, columns)), seed: 3)
      var left = original
      let fit = try LowRankFit(of: &left, rows: rows, columns: columns, rank: 1000)
      #expect(fit.rank == min(rows, columns))
      #expect(fit.residualSquares < 1e-10 * fit.squares)
      for row in 0..<rows {
        for column in 0..<columns {
          let sum = (0..<fit.rank).reduce(Float(0)) {
            $0 + fit.left[row * fit.rank + $1] * fit.right[$1 * columns + column]
          }
          #expect(abs(sum - original[row * columns + column]) < 1e-5)
        }
      }
    }
  }

  @Test("an exactly low-rank matrix is found whole by the random search")
  func exact() throws {
    var left = matrix(120, 150, [5, 4, 3], seed: 11)
    let fit = try LowRankFit(of: &left, rows: 120, columns: 150, rank: 3)
    #expect(fit.residualSquares < 1e-10 * fit.squares)
    #expect(left.allSatisfy { abs($0) < 1e-4 })
  }

  @Test("a seed gives the same factors again, and a matrix of zeros is no fault")
  func repeatable() throws {
    let original = matrix(100, 110, (0..<100).map { 1 / Double(1 + $0) }, seed: 5)
    var (first, second) = (original, original)
    let search = LowRankFit.Search(seed: 9)
    let a = try LowRankFit(of: &first, rows: 100, columns: 110, rank: 6, search: search)
    let b = try LowRankFit(of: &second, rows: 100, columns: 110, rank: 6, search: search)
    #expect(a.left == b.left && a.right == b.right)
    var zeros = [Float](repeating: 0, count: 100 * 110)
    let none = try LowRankFit(of: &zeros, rows: 100, columns: 110, rank: 6)
    #expect(none.squares == 0 && none.residualSquares == 0)
    #expect(none.left.allSatisfy { $0 == 0 } && none.right.allSatisfy(\.isFinite))
  }
}
