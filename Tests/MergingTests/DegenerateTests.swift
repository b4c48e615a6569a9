import Tensors
import TestSupport
import Testing

@testable import Merging

/// A recipe's worth of settings that a method might ask for.
private let settings: [String: Double] = [
  "normalize": 1, "rescale": 1, "lambda": 0.7, "t": 0.4, "nuslerp_flatten": 1, "normalize_weights": 1, "eps": 1e-8,
  "max_iter": 10, "tol": 1e-5, "select_topk": 0.5, "epsilon": 1e-5, "r": 0.1, "alpha": 0.2,
]

private func call(_ name: MergeMethod, _ models: Int, density: Double = 0.5, _ changed: [String: Double] = [:])
  -> MethodCall
{
  func each(_ value: Double) -> [Double] { [Double](repeating: value, count: models) }
  return MethodCall(
    name, base: name.baseUse == .ordinary ? nil : 0,
    perInput: ["weight": each(0.5), "density": each(density), "gamma": each(0.01), "epsilon": each(0.1)]
      .merging(name == .passthrough ? ["scale": each(1)] : [:]) { $1 },
    settings: settings.merging(changed) { $1 })
}

/// Methods that are blocks' affair, each with a number of models besides the base that it takes.
private let methods: [(name: MergeMethod, models: Int)] = MergeMethod.allCases.compactMap { name in
  // Those that are others, or choose between a model and its projection, have tests of their own.
  if [.copy, .linear, .taskArithmetic, .somf, .safeLora, .safeMerge].contains(name) { return nil }
  return (name, name.inputCount.contains(2) ? 2 : 1)
}

private func trial(_ call: MethodCall, _ shape: [Int], _ numbers: [[Double]], _ dtype: DType = .f32) -> MethodTrial {
  MethodTrial(call, shape, numbers.map { _ in dtype }, numbers)
}

@Suite struct DegenerateTests {
  @Test("models that equal their base give the base")
  func identical() throws {
    let values = (0..<60).map { Double($0 - 30) / 7 }.map { Double(Float($0)) }
    for (name, models) in methods {
      for shape in [[60], [4, 15], [60, 1]] {
        let count = models + (name.baseUse == .ordinary ? 0 : 1)
        let found = try trial(call(name, models), shape, .init(repeating: values, count: count)).found()
        let near = zip(found, values).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) }
        #expect(near, "\(name) \(shape)")
      }
    }
  }

  @Test("tensors of zeros, scalars, vectors of one and empty tensors go through every method")
  func smallest() throws {
    for (name, models) in methods {
      let count = models + (name.baseUse == .ordinary ? 0 : 1)
      for dtype in [DType.f32, .f64, .bf16] {
        #expect(
          try trial(call(name, models), [3, 5], .init(repeating: .init(repeating: 0, count: 15), count: count), dtype)
            .found() == [Double](repeating: 0, count: 15), "\(name)")
        #expect(try trial(call(name, models), [0, 4], .init(repeating: [], count: count), dtype).found() == [])
        for shape in [[], [1], [1, 1]] {
          let found = try trial(call(name, models), shape, (0..<count).map { [Double($0 + 1)] }, dtype).found()
          #expect(found.count == 1 && found[0].isFinite && found[0] >= 0.5, "\(name) \(shape): \(found)")
        }
      }
    }
  }

  @Test("only a base gives the base; density 0 gives the base, density 1 prunes nothing")
  func densities() throws {
    var random = SplitMix(state: 5)
    let numbers = family(2, 90, &random).map { $0.map { Double(Float($0)) } }
    for name in [MergeMethod.ties, .dareLinear, .dareTies, .della, .dellaLinear, .breadcrumbs, .breadcrumbsTies] {
      #expect(try trial(call(name, 0), [90], [numbers[0]]).found() == numbers[0])
      #expect(try trial(call(name, 2, density: 0), [90], numbers).found() == numbers[0], "\(name)")
      let full = trial(call(name, 2, density: 1), [90], numbers)
      #expect(try full.found() == full.expected(), "\(name)")
    }
  }

  @Test("the ends of the way between two models are those models")
  func ends() throws {
    var random = SplitMix(state: 6)
    let numbers = family(2, 90, &random, far: true).map { $0.map { Double(Float($0)) } }
    for (t, end) in [(0.0, 0), (1.0, 1)] {
      #expect(try trial(call(.slerp, 1, ["t": t]), [90], Array(numbers[..<2])).found() == numbers[end])
    }
    for (weights, end) in [([1.0, 0.0], 0), ([0, 1], 1)] {
      for flat in [0.0, 1] {
        let call = MethodCall(.nuslerp, perInput: ["weight": weights], settings: ["nuslerp_flatten": flat])
        #expect(try trial(call, [9, 10], Array(numbers[..<2])).found() == numbers[end])
      }
    }
  }

  @Test("opposite models: slerp and two in multislerp go straight, karcher stays with the first, three are refused")
  func opposite() throws {
    let x = (1...40).map { Double($0) }
    let minus = x.map { -$0 }
    #expect(try trial(call(.slerp, 1, ["t": 0.25]), [40], [x, minus]).found() == x.map { $0 / 2 })
    let two = MethodCall(.multislerp, perInput: ["weight": [0.5, 0.5]], settings: settings)
    #expect(try trial(two, [40], [x, minus]).found() == x.map { _ in 0 })
    let kept = try trial(call(.karcher, 2), [40], [x, minus]).found()
    #expect(zip(kept, x).allSatisfy { abs($0 - $1) < 1e-5 })
    let three = MethodCall(.multislerp, perInput: ["weight": [0.25, 0.25, 0.5]], settings: settings)
    #expect(throws: MergeError.cancellingDirections(tensor: MethodTrial.name)) {
      try trial(three, [40], [x, x, minus]).found()
    }
  }

  @Test("of equal magnitudes those of lower index are kept, whatever their sign")
  func ties() throws {
    let base = [Double](repeating: 0, count: 8)
    let x: [Double] = [1, -2, 1, -1, 3, 1, -1, 0]
    func kept(_ density: Double) throws -> [Double] {
      let call = MethodCall(
        .ties, base: 0, perInput: ["weight": [1], "density": [density]], settings: ["normalize": 1])
      return try trial(call, [8], [base, x]).found()
    }
    #expect(try kept(0.5) == [1, -2, 1, 0, 3, 0, 0, 0])
    #expect(try kept(0.01) == [0, 0, 0, 0, 3, 0, 0, 0])
    let middle = MethodCall(
      .breadcrumbs, base: 0, perInput: ["weight": [1], "density": [0.5], "gamma": [0.25]])
    // Rising: index 7, then 0, 2, 3, 5, 6, then 1 and 4; two are cut below and two above.
    #expect(try trial(middle, [8], [base, x]).found() == [0, 0, 1, -1, 0, 1, -1, 0])
  }

  @Test("a random method keeps about its share, with another seed of other elements")
  func shares() throws {
    let count = 20_000
    let numbers = [[Double](repeating: 0, count: count), (0..<count).map { _ in 1 }]
    for name in [MergeMethod.dareLinear, .dellaLinear] {
      let plain = ["rescale": 0.0, "normalize": 0, "lambda": 1]
      let first = try trial(call(name, 1, density: 0.3, plain), [100, 200], numbers).found()
      let share = Double(first.filter { $0 != 0 }.count) / Double(count)
      #expect(abs(share - 0.3) < 0.02, "\(name) \(share)")
      let second = try trial(call(name, 1, density: 0.3, plain.merging(["seed": 1]) { $1 }), [100, 200], numbers)
        .found()
      #expect(first != second)
    }
  }
}
