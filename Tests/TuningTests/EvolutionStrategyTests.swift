import Foundation
import Glibc
import Testing

@testable import Tuning

/// Runs a search until the loss is below 1e-8; gives the evaluations it took.
private func evaluations(
  _ strategy: EvolutionStrategy, limit: Int, _ loss: ([Double]) -> Double
) -> (count: Int, best: Double, end: EvolutionStrategy) {
  var (strategy, count, best) = (strategy, 0, Double.infinity)
  while count < limit {
    let losses = strategy.ask().map(loss)
    count += losses.count
    best = min(best, losses.filter(\.isFinite).min() ?? .infinity)
    if best <= 1e-8 { break }
    strategy.tell(losses)
  }
  return (count, best, strategy)
}

private func sphere(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 } }

private func rosenbrock(_ x: [Double]) -> Double {
  zip(x, x.dropFirst()).reduce(0) { $0 + 100 * pow($1.1 - $1.0 * $1.0, 2) + pow(1 - $1.0, 2) }
}

/// Axes from 1 to 1000 long, turned by Householder reflections so that none is a coordinate's.
private func rotatedEllipsoid(_ x: [Double]) -> Double {
  var x = x
  for turn in 1...3 {
    let normal = x.indices.map { sin(Double($0 * turn + turn)) }
    let factor = 2 * zip(x, normal).reduce(0) { $0 + $1.0 * $1.1 } / sphere(normal)
    for axis in x.indices { x[axis] -= factor * normal[axis] }
  }
  return x.indices.reduce(0) { $0 + pow(1e6, Double($1) / Double(x.count - 1)) * x[$1] * x[$1] }
}

@Suite("CMA-ES")
struct EvolutionStrategyTests {
  @Test("a sphere of 10 dimensions falls below 1e-8 within 2,000 evaluations", arguments: 1...5 as ClosedRange<UInt32>)
  func finds(seed: UInt32) {
    let run = evaluations(
      EvolutionStrategy(start: [Double](repeating: 3, count: 10), sigma: 1, seed: seed), limit: 2000, sphere)
    #expect(run.best <= 1e-8, "seed \(seed): \(run.best) after \(run.count)")
  }

  @Test("Rosenbrock's valley of 6 dimensions falls below 1e-8 within 5,000 evaluations", arguments: [1, 2, 4, 5])
  func valley(seed: UInt32) {
    let run = evaluations(
      EvolutionStrategy(start: [Double](repeating: 0, count: 6), sigma: 0.5, seed: seed), limit: 5000, rosenbrock)
    #expect(run.best <= 1e-8, "seed \(seed): \(run.best) after \(run.count)")
  }

  @Test("a turned ellipsoid with axes 1 to 1,000 falls below 1e-8 within 6,000 evaluations", arguments: [1, 2, 3])
  func turned(seed: UInt32) {
    let run = evaluations(
      EvolutionStrategy(start: [Double](repeating: 1, count: 8), sigma: 1, seed: seed), limit: 6000, rotatedEllipsoid)
    #expect(run.best <= 1e-8, "seed \(seed): \(run.best) after \(run.count)")
  }

  @Test("the diagonal form brings 100 dimensions of unlike scale below 1e-8 within 30,000 evaluations")
  func diagonal() {
    let strategy = EvolutionStrategy(start: [Double](repeating: 1, count: 100), sigma: 0.5, seed: 7)
    #expect(strategy.population == 17)
    let run = evaluations(strategy, limit: 30_000) { x in
      x.indices.reduce(0) { $0 + pow(1e4, Double($1) / 99) * x[$1] * x[$1] }
    }
    #expect(run.best <= 1e-8, "\(run.best) after \(run.count)")
  }

  @Test("one dimension is enough")
  func one() {
    let run = evaluations(EvolutionStrategy(start: [4], sigma: 1, seed: 3), limit: 400, sphere)
    #expect(run.best <= 1e-8, "\(run.best) after \(run.count)")
  }

  @Test("a search that was written as JSON goes on with the same candidates, bit for bit", arguments: [3, 60])
  func resumes(dimensions: Int) throws {
    var strategy = EvolutionStrategy(start: [Double](repeating: 0.5, count: dimensions), sigma: 1 / 6.0, seed: 9)
    for _ in 0..<7 { strategy.tell(strategy.ask().map(rosenbrock)) }
    var other = try JSONDecoder().decode(EvolutionStrategy.self, from: JSONEncoder().encode(strategy))
    #expect(other == strategy)
    for _ in 0..<5 {
      #expect(other.ask().map { $0.map(\.bitPattern) } == strategy.ask().map { $0.map(\.bitPattern) })
      strategy.tell(strategy.ask().map(rosenbrock))
      other.tell(other.ask().map(rosenbrock))
    }
  }

  @Test("seeds and generations draw different candidates")
  func seeds() {
    let first = EvolutionStrategy(start: [0, 0, 0], sigma: 1, seed: 1)
    #expect(first.ask() != EvolutionStrategy(start: [0, 0, 0], sigma: 1, seed: 2).ask())
    #expect(Set(first.ask()).count == first.population)
    var later = first
    later.tell([Double](repeating: 1, count: first.population))
    #expect(later.ask() != first.ask())
  }

  @Test("candidates are normal: mean 0, variance 1, no correlation")
  func normal() {
    let strategy = EvolutionStrategy(start: [Double](repeating: 0, count: 40), sigma: 1, seed: 11)
    var moving = strategy
    var points: [[Double]] = []
    for _ in 0..<200 {
      points += moving.ask()
      // Equal losses move nothing, so that every generation is drawn from the first distribution.
      moving.tell([Double](repeating: 0, count: moving.population))
    }
    let all = points.flatMap { $0 }
    let count = Double(all.count)
    #expect((all.reduce(0, +) / count).magnitude < 4 / count.squareRoot())
    #expect((sphere(all) / count - 1).magnitude < 4 * (2 / count).squareRoot())
    let neighbours = points.flatMap { zip($0, $0.dropFirst()).map { $0 * $1 } }
    #expect((neighbours.reduce(0, +) / count).magnitude < 4 / count.squareRoot())
  }

  @Test("what is not a number counts as the worst, and a generation of nothing else moves nothing")
  func degenerate() {
    let start = EvolutionStrategy(start: [1, 2, 3], sigma: 0.5, seed: 5)
    var lost = start
    lost.tell([Double](repeating: .nan, count: start.population))
    #expect(lost.generation == 1 && lost.mean == start.mean && lost.sigma == start.sigma)

    var marked = start
    var huge = start
    let losses = start.ask().map(sphere)
    marked.tell(losses.enumerated().map { $0 == 1 ? .nan : $0 == 2 ? -.infinity : $1 })
    huge.tell(losses.enumerated().map { $0 == 1 || $0 == 2 ? 1e300 : $1 })
    #expect(marked == huge)

    let run = evaluations(EvolutionStrategy(start: [3, 3, 3, 3], sigma: 1, seed: 6), limit: 3000) { x in
      x[0] > 3.5 ? .infinity : x[1] > 3.5 ? .nan : sphere(x)
    }
    #expect(run.best <= 1e-8, "\(run.best) after \(run.count)")
  }
}
