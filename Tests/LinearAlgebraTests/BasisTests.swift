import LinearAlgebra
import TestSupport
import Testing

@Suite("bases of leading directions")
struct BasisTests {
  private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> [Float] {
    var random = SplitMix(state: seed)
    return (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &random) }
  }

  /// `a` (rows × inner) times `b` (inner × columns).
  private func product(_ a: [Float], _ b: [Float], rows: Int, inner: Int, columns: Int) -> [Float] {
    (0..<rows * columns).map { index in
      (0..<inner).reduce(Float(0)) { $0 + a[index / columns * inner + $1] * b[$1 * columns + index % columns] }
    }
  }

  /// The share of the squares of a matrix that a basis holds, the plain way.
  private func energy(_ matrix: [Float], _ basis: Basis, rows: Int, columns: Int) -> Double {
    var (held, all) = (0.0, 0.0)
    for column in 0..<columns {
      for row in 0..<rows { all += Double(matrix[row * columns + column]) * Double(matrix[row * columns + column]) }
      for place in 0..<basis.rank {
        let share = (0..<rows).reduce(0.0) {
          $0 + Double(basis.columns[$1 * basis.rank + place]) * Double(matrix[$1 * columns + column])
        }
        held += share * share
      }
    }
    return held / all
  }

  @Test("columns are orthonormal, and energy is the share of the squares that they hold", arguments: [3, 20, 1000])
  func orthonormal(rank: Int) throws {
    for (rows, columns) in [(40, 60), (60, 40), (33, 33), (1, 9), (9, 1), (300, 20), (20, 600)] {
      let matrix = random(rows, columns, seed: UInt64(rank))
      let basis = try #require(try Basis(of: matrix, rows: rows, columns: columns, size: .rank(rank)))
      #expect(basis.rank == min(rank, rows, columns) && basis.columns.count == rows * basis.rank)
      #expect(try Basis.orthonormalityError(basis.columns, rank: basis.rank) < 1e-6, "\(rows)×\(columns)")
      #expect(abs(energy(matrix, basis, rows: rows, columns: columns) - basis.energy) < 1e-7)
      if basis.rank == min(rows, columns) { #expect(basis.energy > 1 - 1e-6) }
    }
  }

  @Test("as few directions are taken as hold the energy", arguments: [0.3, 0.6, 0.9, 1])
  func smallest(share: Double) throws {
    for (rows, columns) in [(30, 50), (50, 30)] {
      let matrix = random(rows, columns, seed: 3)
      let basis = try #require(try Basis(of: matrix, rows: rows, columns: columns, size: .energy(share)))
      #expect(basis.energy >= share - 1e-6)
      let less = try #require(try Basis(of: matrix, rows: rows, columns: columns, size: .rank(basis.rank - 1)))
      #expect(less.energy < share - 1e-6, "\(basis.rank) of \(rows)×\(columns)")
    }
  }

  @Test("no more directions than the matrix has, whatever is asked for, and none of a matrix of zeros")
  func deficient() throws {
    for (rows, columns) in [(80, 50), (50, 80)] {
      let matrix = product(
        random(rows, 4, seed: 1), random(4, columns, seed: 2), rows: rows, inner: 4, columns: columns)
      let basis = try #require(try Basis(of: matrix, rows: rows, columns: columns, size: .rank(30)))
      #expect(basis.rank == 4 && basis.energy > 1 - 1e-9)
      #expect(try Basis.orthonormalityError(basis.columns, rank: 4) < 1e-6)
    }
    #expect(try Basis(of: [0, 0, 0, 0], rows: 2, columns: 2, size: .energy(0.9)) == nil)
  }

  @Test("overlap is the rank with itself, nothing with what is orthogonal, and k l / d on average by chance")
  func overlap() throws {
    let basis = try #require(try Basis(of: random(40, 60, seed: 5), rows: 40, columns: 60, size: .rank(6)))
    #expect(try abs(Basis.overlap(basis.columns, rank: 6, basis.columns, rank: 6) - 6) < 1e-5)
    let whole = try #require(try Basis(of: random(40, 60, seed: 5), rows: 40, columns: 60, size: .rank(40)))
    let rest = (0..<40).flatMap { row in (6..<40).map { whole.columns[row * 40 + $0] } }
    #expect(try Basis.overlap(basis.columns, rank: 6, rest, rank: 34) < 1e-8)
    var sum = 0.0
    for seed in 0..<40 {
      let other = try #require(
        try Basis(of: random(40, 60, seed: UInt64(100 + seed)), rows: 40, columns: 60, size: .rank(10)))
      sum += try Basis.overlap(basis.columns, rank: 6, other.columns, rank: 10)
    }
    #expect(abs(sum / 40 - 1.5) < 0.2)
  }

  @Test("what is not orthonormal is seen, NaN too")
  func faults() throws {
    #expect(try Basis.orthonormalityError([1, 0, 0, 1], rank: 2) == 0)
    #expect(try abs(Basis.orthonormalityError([1, 0, 0, 1.001], rank: 2) - 0.002001) < 1e-5)
    #expect(try Basis.orthonormalityError([.nan, 0, 0, 1], rank: 2) == .infinity)
  }
}
