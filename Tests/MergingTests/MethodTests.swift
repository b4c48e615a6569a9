import Tensors
import TestSupport
import Testing

@testable import Merging

/// One tensor of a base and its relatives, and a method over them.
struct MethodTrial {
  static let name = "model.layers.0.w"
  let call: MethodCall
  let shape: [Int]
  let dtypes: [DType]
  /// The output's.
  let out: DType
  let data: [[UInt8]]

  /// - Parameter numbers: as they are stored in each input, in order.
  init(_ call: MethodCall, _ shape: [Int], _ dtypes: [DType], _ numbers: [[Double]], out: DType? = nil) {
    self.call = call
    self.shape = shape
    self.dtypes = dtypes
    self.out = out ?? (dtypes.contains(.f64) ? .f64 : .f32)
    data = zip(numbers, dtypes).map { values, dtype in values.flatMap { Plain.bytes($0, dtype) } }
  }

  var executor: Executor {
    let inputs = dtypes.indices.map { PlannedInput(model: $0, tensor: Self.name, dtype: dtypes[$0]) }
    let tensor = PlannedTensor(name: Self.name, dtype: out, shape: Shape(shape), method: call, inputs: inputs)
    let names = dtypes.indices.map { $0 == call.base ? "base" : "m\($0)" }
    return Executor(
      plan: Plan(arithmetic: Plan.exact1, inputs: names, tensors: [tensor]),
      source: ArraySource(tensors: data.map { [Self.name: $0] }))
  }

  static func numbers(_ bytes: [UInt8], _ dtype: DType) -> [Double] {
    let width = dtype.bits / 8
    return stride(from: 0, to: bytes.count, by: width).map { Plain.number(bytes[$0..<$0 + width], dtype) }
  }

  func found(block: Int = 1000, workers: Int = 1) throws -> [Double] {
    Self.numbers(try executor.bytes(of: 0, block: block, workers: workers), out)
  }

  func expected() -> [Double] {
    dtypes.contains(.f64)
      ? plain(as: Double.self).result().map { $0 } : plain(as: Float.self).result().map { Double($0) }
  }

  private func plain<Wide: WideElement>(as type: Wide.Type) -> PlainMethods<Wide> {
    let stored = zip(data, dtypes).map { Self.numbers($0, $1).map { Wide($0) } }
    return PlainMethods(
      call: call, name: Self.name, shape: shape, base: call.base.map { stored[$0] } ?? [],
      others: stored.indices.filter { $0 != call.base }.map { stored[$0] })
  }
}

/// Numbers of a base and of so many fine-tunes: few different changes, many of them none, so that magnitudes tie.
func family(_ tunes: Int, _ count: Int, _ random: inout SplitMix, far: Bool = false) -> [[Double]] {
  let base = (0..<count).map { _ in Double.random(in: -2..<2, using: &random) }
  return [base]
    + (0..<tunes).map { _ in
      base.map { b in
        switch Int.random(in: 0..<4, using: &random) {
        case 0: b
        case 1: b + Double.random(in: -0.5..<0.5, using: &random)
        default:
          far ? Double.random(in: -1..<2, using: &random) : b + Double(Int.random(in: -3...3, using: &random)) / 32
        }
      }
    }
}

/// A call with one value a model for each name, drawn at random about these.
func task(_ name: MergeMethod, _ models: Int, _ random: inout SplitMix, normalize: Bool, rescale: Bool) -> MethodCall {
  func each(_ range: ClosedRange<Double>) -> [Double] { (0..<models).map { _ in .random(in: range, using: &random) } }
  let isRandom = [.dareLinear, .dareTies, .della, .dellaLinear].contains(name)
  return MethodCall(
    name, base: Int.random(in: 0...models, using: &random),
    perInput: [
      "weight": each(-0.2...1), "density": each(0.2...0.8), "gamma": each(0...0.1), "epsilon": each(0.05...0.15),
    ],
    settings: [
      "normalize": normalize ? 1 : 0, "rescale": rescale ? 1 : 0,
      "rescale_paper": isRandom && Bool.random(using: &random) ? 1 : 0,
      "lambda": Bool.random(using: &random) ? 1 : 0.7, "seed": Double(Int.random(in: 0...99, using: &random)),
    ])
}

private let tasks: [MergeMethod] = [
  .ties, .dareLinear, .dareTies, .della, .dellaLinear, .breadcrumbs, .breadcrumbsTies,
]

/// One call of every other method.
func calls(_ random: inout SplitMix) -> [(call: MethodCall, tunes: Int)] {
  func weights(_ count: Int) -> [String: [Double]] {
    ["weight": (0..<count).map { _ in .random(in: 0.1...1, using: &random) }]
  }
  var all: [(MethodCall, Int)] = [
    (MethodCall(.slerp, base: 1, settings: ["t": 0.3]), 1), (MethodCall(.nearswap, base: 0, settings: ["t": 0.02]), 1),
    (MethodCall(.modelStock, base: 0, settings: ["filter_wise": 0]), 2),
    (MethodCall(.modelStock, base: 2, settings: ["filter_wise": 1]), 3),
    (MethodCall(.sce, base: 0, settings: ["select_topk": 1]), 3),
    (MethodCall(.sce, base: 1, settings: ["select_topk": 0.4]), 3),
    (MethodCall(.ram, base: 0, settings: ["epsilon": 0.05]), 3),
    (MethodCall(.ramPlus, base: 1, settings: ["epsilon": 0.05, "r": 0.1, "alpha": 2]), 3),
    (MethodCall(.arceeFusion, base: 0), 1), (MethodCall(.passthrough, perInput: ["scale": [0.3]]), 0),
    (MethodCall(.passthrough), 0), (MethodCall(.karcher, settings: ["max_iter": 10, "tol": 1e-5]), 2),
  ]
  for (flat, across) in [(1.0, 0.0), (0, 0), (0, 1)] {
    let settings = ["nuslerp_flatten": flat, "nuslerp_row_wise": across]
    all.append((MethodCall(.nuslerp, base: 1, perInput: weights(2), settings: settings), 2))
    all.append((MethodCall(.nuslerp, perInput: weights(2), settings: settings), 1))
  }
  for normalize in [0.0, 1] {
    let settings = ["normalize_weights": normalize, "eps": 1e-8]
    all.append((MethodCall(.multislerp, base: 0, perInput: weights(3), settings: settings), 3))
    all.append((MethodCall(.multislerp, perInput: weights(3), settings: settings), 2))
  }
  return all.map { (call: $0.0, tunes: $0.1) }
}

private let mixes: [[DType]] = [[.bf16], [.f32], [.f64], [.bf16, .f16, .f32], [.f32, .f64, .bf16]]
private let shapes = [[], [1], [1301], [37, 101], [5, 7, 33], [300, 1], [3, 1500]]

@Suite struct MethodTests {
  /// Equal but for the last bits of coefficients that come from sums in another order.
  private func close(_ a: [Double], _ b: [Double], _ out: DType) -> Bool {
    let scale = out == .f64 ? 1e-11 : 1e-6
    return a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= scale * max(1, abs($1)) }
  }

  @Test("task vector methods give what the plain formulas give", arguments: tasks)
  func taskVectors(_ method: MergeMethod) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for dtypes in mixes {
      for shape in shapes {
        for step in 0..<4 {
          let models = step == 0 ? 1 : 3
          let call = task(method, models, &random, normalize: step % 2 == 0, rescale: step > 1)
          let types = (0...models).map { dtypes[$0 % dtypes.count] }
          let trial = MethodTrial(call, shape, types, family(models, shape.reduce(1, *), &random))
          let (found, expected) = (try trial.found(), trial.expected())
          #expect(
            step > 1 ? close(found, expected, trial.out) : found == expected,
            "seed \(seed), \(types), \(shape), \(call)")
        }
      }
    }
  }

  @Test("all other methods give what the plain formulas give, for models near each other and far apart")
  func others() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for dtypes in mixes {
      for shape in shapes {
        for far in [false, true] {
          for (call, tunes) in calls(&random) {
            // Directions of one element are 1 or -1; where they nearly cancel, their mean is mostly rounding.
            if call.name == .multislerp, shape.reduce(1, *) == 1 { continue }
            let types = (0...tunes).map { dtypes[$0 % dtypes.count] }
            let trial = MethodTrial(call, shape, types, family(tunes, shape.reduce(1, *), &random, far: far))
            #expect(
              close(try trial.found(), trial.expected(), trial.out),
              "seed \(seed), \(types), \(shape), far \(far), \(call)")
          }
        }
      }
    }
  }

  @Test("blocks of 1, 7 and 1000 elements and whole tensors, one thread and two give the same bits")
  func cuts() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    for dtypes in [mixes[0], mixes[3], mixes[2]] {
      for shape in [[19, 63], [1201]] {
        var all = calls(&random)
        for method in tasks { all.append((task(method, 3, &random, normalize: true, rescale: true), 3)) }
        for (call, tunes) in all {
          let types = (0...tunes).map { dtypes[$0 % dtypes.count] }
          let trial = MethodTrial(call, shape, types, family(tunes, shape.reduce(1, *), &random), out: types[0])
          let whole = try trial.executor.bytes(of: 0, block: 5000)
          for (block, workers) in [(1, 1), (7, 2), (1000, 1)] {
            #expect(
              try trial.executor.bytes(of: 0, block: block, workers: workers) == whole,
              "seed \(seed), \(types), \(shape), block \(block), \(call)")
          }
        }
      }
    }
  }

  @Test("tensors of several measuring blocks, sampled for cuts, give what the plain formulas give, on 1 and 2 threads")
  func large() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let shape = [900, 301]
    var all = calls(&random)
    for method in tasks { all.append((task(method, 2, &random, normalize: true, rescale: true), 2)) }
    for (call, tunes) in all {
      let types = (0...tunes).map { _ in DType.bf16 }
      let trial = MethodTrial(call, shape, types, family(tunes, shape.reduce(1, *), &random))
      let found = try trial.found(block: 100_000, workers: 2)
      #expect(close(found, trial.expected(), .f32), "seed \(seed), \(call)")
      #expect(try trial.found(block: 70_001, workers: 1) == found, "seed \(seed), \(call)")
    }
  }

  @Test("a seed, a tensor's name and an input's place give the key that SHA-256 gives")
  func keys() {
    let call = MethodCall(.dareTies, settings: ["seed": 42])
    #expect(
      call.draws(tensor: "model.norm.weight", models: 2) == [
        Philox(0x2CF3_091C, 0x1236_5C85), Philox(0x0D89_516B, 0xF4BC_ACCD),
      ])
    #expect(MethodCall(.ties).draws(tensor: "x", models: 2).isEmpty)
  }
}
