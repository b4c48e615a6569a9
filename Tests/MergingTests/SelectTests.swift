import Tensors
import TestSupport
import Testing

@testable import Merging

@Suite("cuts through a ranking")
struct SelectTests {
  @Test("a cut found in a bracket is the one that counting finds, with ties and zeros", arguments: [0, 1, 2, 3])
  func brackets(kind: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix(state: seed)
    let count = 300_001
    let numbers = (0..<count).map { _ -> Double in
      switch kind {
      case 0: Double.random(in: -1..<1, using: &random)
      case 1: Double(Int.random(in: -2000...2000, using: &random)) / 512
      case 2: Bool.random(using: &random) ? 0 : Double.random(in: -1..<1, using: &random)
      default: Double(Int.random(in: -3...3, using: &random))
      }
    }
    let trial = MethodTrial(MethodCall(.passthrough), [count], [.f32], [numbers])
    let passes = TensorPasses<Float>(
      executor: trial.executor, tensor: 0, wholeRows: false, pool: WorkerPool(width: 2), shelf: Shelf { MergeScratch() }
    )
    let rankings = [1, 17, count / 10, count / 2, count * 9 / 10, count - 1, count].flatMap { rank in
      [true, false].map { RadixSelect<Float>.Ranking(series: 0, count: rank, largest: $0) }
    }
    for ranking in rankings {
      let counted = try RadixSelect.counted([ranking], of: passes) { $0.changes($1, $2, into: $3) }
      let found = try BracketSelect.cuts([ranking], of: passes) { $0.changes($1, $2, into: $3) }
      if let found { #expect(found == counted, "seed \(seed), \(ranking)") }
      if kind != 2, ranking.count == count / 2 { #expect(found != nil, "seed \(seed)") }
    }
  }

  @Test("large tensors, of which a sample is looked at first, give what the plain formulas give")
  func large() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let count = 300_000
    let numbers = family(2, count, &random)
    let each = ["weight": [0.5, 0.3], "density": [0.3, 0.6], "gamma": [0.01, 0.1]]
    for call in [
      MethodCall(.sce, base: 0, settings: ["select_topk": 0.3]),
      MethodCall(.ties, base: 0, perInput: each, settings: ["normalize": 1, "lambda": 1]),
      MethodCall(.breadcrumbs, base: 0, perInput: each, settings: ["lambda": 1]),
      MethodCall(.arceeFusion, base: 0),
    ] {
      let inputs = Array(numbers[..<(call.name == .arceeFusion ? 2 : 3)])
      let trial = MethodTrial(call, [300, 1000], inputs.map { _ in .f32 }, inputs)
      let (found, expected) = (try trial.found(block: 1 << 18, workers: 2), trial.expected())
      let differing = zip(found, expected).count { abs($0 - $1) > 1e-5 * max(1, abs($1)) }
      #expect(differing <= (call.name == .arceeFusion ? 3 : 0), "\(call.name), seed \(seed): \(differing)")
    }
  }

  @Test("a number that is not finite is refused, wherever it lies")
  func notFinite() throws {
    for wrong in [Double.nan, .infinity, -.infinity] {
      var numbers = (0..<300_000).map { Double($0 % 1000) }
      numbers[123_457] = wrong
      let trial = MethodTrial(
        MethodCall(.ties, base: 0, perInput: ["weight": [1], "density": [0.5]]), [300_000], [.f32, .f32],
        [numbers.map { _ in 0 }, numbers])
      #expect(throws: MergeError.self) { try trial.found(block: 1 << 18) }
    }
  }
}
