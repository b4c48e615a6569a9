import Testing

@testable import Tuning

@Suite("bounds of a search")
struct SearchBoxTests {
  @Test("points inside stand for themselves, those outside are folded back")
  func folds() {
    let box = SearchBox([0...1.5, -1...1])
    #expect(box.values(at: [0.5, 0.25]) == [0.75, -0.5])
    #expect(box.values(at: [1.2, -0.25]) == box.values(at: [0.8, 0.25]))
    #expect(box.values(at: [2, 3]) == [0, 1])
    #expect(box.values(at: [-7.5, 100.25]) == box.values(at: [0.5, 0.25]))
    #expect(box.point(of: [0.75, -0.5]) == [0.5, 0.25])
  }

  @Test("values never leave their bounds and are short decimals")
  func short() {
    let box = SearchBox([0...1.5, 0...0.333_333_333_33, 1e-6...2e-6, -1e9...1e9, 0...1e-30])
    for step in 0..<500 {
      let values = box.values(at: (0..<5).map { Double(step * ($0 + 1)) * 0.012_345_678_9 - 3 })
      for (value, bounds) in zip(values, box.bounds) { #expect(bounds.contains(value)) }
      #expect(values[0].description.utf8.count <= 8, "\(values[0])")
    }
  }

  @Test("a best value on a bound is found, on several bounds at once too")
  func corner() {
    let box = SearchBox([ClosedRange<Double>](repeating: 0...1.5, count: 5))
    var strategy = EvolutionStrategy(start: [Double](repeating: 0.5, count: 5), sigma: 1 / 6.0, seed: 3)
    var best = (loss: Double.infinity, values: [Double]())
    for _ in 0..<150 {
      let candidates = strategy.ask().map(box.values)
      // Falls towards 0, 0, 0, 1.5 and 0.3.
      let losses = candidates.map { $0[0] + $0[1] + $0[2] - $0[3] + ($0[4] - 0.3) * ($0[4] - 0.3) }
      for (values, loss) in zip(candidates, losses) where loss < best.loss { best = (loss, values) }
      strategy.tell(losses)
    }
    #expect(best.loss + 1.5 < 1e-3)
    for (found, wanted) in zip(best.values, [0, 0, 0, 1.5]) { #expect((found - wanted).magnitude < 1e-3, "\(best)") }
    #expect((best.values[4] - 0.3).magnitude < 0.05, "\(best)")
  }
}

@Suite("LM-Cocktail")
struct CocktailTests {
  @Test("the paper's figures: losses 0.8 and 1.2 give 0.60 and 0.40 at temperature 1, 0.52 and 0.48 at 5")
  func figures() throws {
    let warm = try #require(Cocktail.weights(losses: [0.8, 1.2], temperature: 1))
    #expect((warm[0] - 0.598_687_66).magnitude < 1e-7 && (warm[0] + warm[1] - 1).magnitude < 1e-15)
    let hot = try #require(Cocktail.weights(losses: [0.8, 1.2], temperature: 5))
    #expect((hot[0] - 0.519_989_34).magnitude < 1e-7)
  }

  @Test("large losses do not overflow, and an endless loss gets nothing")
  func extremes() {
    #expect(Cocktail.weights(losses: [5000, 5000, .nan, .infinity], temperature: 0.25) == [0.5, 0.5, 0, 0])
    #expect(Cocktail.weights(losses: [.nan], temperature: 1) == nil)
    #expect(Cocktail.weights(losses: [1], temperature: 0) == nil)
    #expect(Cocktail.weights(losses: [], temperature: 1) == nil)
  }
}
