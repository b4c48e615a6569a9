import Merging
import Tensors
import TestSupport
import Testing

/// A base, an adapter for its one weight and a third model, random, and the adapted weight by plain loops.
private struct AdapterTrial {
  let rows: Int
  let columns: Int
  let rank: Int
  let isTransposed: Bool
  let isDecomposed: Bool
  let weightDType: DType
  let factorDType: DType
  let scale = 1.75
  private(set) var data: [[String: [UInt8]]] = [[:], [:], [:]]

  init(
    _ rows: Int, _ columns: Int, rank: Int, transposed: Bool = false, decomposed: Bool = false,
    _ weightDType: DType = .bf16, _ factorDType: DType = .f32, seed: UInt64
  ) {
    (self.rows, self.columns, self.rank) = (rows, columns, rank)
    (isTransposed, isDecomposed) = (transposed, decomposed)
    (self.weightDType, self.factorDType) = (weightDType, factorDType)
    var random = SplitMix(state: seed)
    func values(_ count: Int, _ dtype: DType) -> [UInt8] {
      (0..<count).flatMap { _ in Plain.bytes(Double.random(in: -1..<1, using: &random), dtype) }
    }
    data[0]["w"] = values(rows * columns, weightDType)
    data[1]["a"] = values(rank * inputs, factorDType)
    data[1]["b"] = values(outputs * rank, factorDType)
    data[1]["m"] = values(outputs, factorDType)
    data[2]["w"] = values(rows * columns, weightDType)
  }

  var outputs: Int { isTransposed ? columns : rows }
  var inputs: Int { isTransposed ? rows : columns }
  var wide: DType { [weightDType, factorDType].contains(.f64) ? .f64 : .f32 }

  var adapted: ModelInput {
    func factor(_ name: String) -> LowRank.Factor { .init(name: name, dtype: factorDType) }
    let change = LowRank(
      weightDType: weightDType, adapter: 1, a: factor("a"), b: factor("b"),
      magnitude: isDecomposed ? factor("m") : nil, rank: rank, scale: scale, isTransposed: isTransposed)
    return ModelInput(
      reference: "base+lora", parts: ["base", "lora"],
      tensors: [TensorInput(name: "w", dtype: weightDType, shape: Shape([rows, columns]), change: change)])
  }

  func numbers(_ model: Int, _ name: String, _ dtype: DType) -> [Double] {
    let width = dtype.bits / 8
    let bytes = data[model][name] ?? []
    return stride(from: 0, to: bytes.count, by: width).map { Plain.number(bytes[$0..<$0 + width], dtype) }
  }

  /// `W + scale · B A`, and DoRA's rows of it, without any of the code under test.
  func plain<Wide: BinaryFloatingPoint>(_: Wide.Type) -> [Wide] {
    let w = numbers(0, "w", weightDType).map { Wide($0) }
    let a = numbers(1, "a", factorDType).map { Wide($0) }
    let b = numbers(1, "b", factorDType).map { Wide($0) }
    var out = w
    for output in 0..<outputs {
      for input in 0..<inputs {
        var sum: Wide = 0
        for index in 0..<rank {
          let product = b[output * rank + index] * a[index * inputs + input]
          sum = sum + product
        }
        let place = isTransposed ? input * columns + output : output * columns + input
        let change = Wide(scale) * sum
        out[place] = w[place] + change
      }
    }
    guard isDecomposed else { return out }
    let lengths = numbers(1, "m", factorDType).map { Wide($0) }
    for output in 0..<outputs {
      func place(_ input: Int) -> Int { isTransposed ? input * columns + output : output * columns + input }
      var lanes = [Double](repeating: 0, count: isTransposed ? 1 : 16)
      for input in 0..<inputs { lanes[input % lanes.count] += Double(out[place(input)]) * Double(out[place(input)]) }
      while lanes.count > 1 {
        lanes = (0..<lanes.count / 2).map { lanes[$0] + lanes[$0 + lanes.count / 2] }
      }
      let factor = lengths[output] / Wide(lanes[0].squareRoot())
      for input in 0..<inputs { out[place(input)] = factor * out[place(input)] }
    }
    return out
  }

  var plainBytes: [UInt8] {
    wide == .f64
      ? plain(Double.self).flatMap { Plain.bytes($0, .f64) }
      : plain(Float.self).flatMap { Plain.bytes(Double($0), .f32) }
  }
}

@Suite("adapters as inputs")
struct AdapterInputTests {
  private static let passthrough = "merge_method: passthrough\nmodels: [{model: base+lora}]\ndtype: "

  @Test("the product and DoRA's rows are those of plain loops, to the bit, whatever the block")
  func bits() throws {
    for (index, trial) in [
      AdapterTrial(37, 70, rank: 5, seed: 1), AdapterTrial(3, 200, rank: 1, .f16, .bf16, seed: 2),
      AdapterTrial(70, 37, rank: 9, transposed: true, seed: 3), AdapterTrial(1, 1, rank: 2, seed: 4),
      AdapterTrial(20, 130, rank: 4, decomposed: true, seed: 5),
      AdapterTrial(64, 19, rank: 4, transposed: true, decomposed: true, .f32, .f32, seed: 6),
      AdapterTrial(17, 23, rank: 3, .bf16, .f64, seed: 7),
      AdapterTrial(17, 23, rank: 3, decomposed: true, .f64, seed: 8),
    ].enumerated() {
      let output = trial.wide == .f64 ? "float64" : "float32"
      let plan = try Planner.plan(recipe: Recipe(yaml: Self.passthrough + output), inputs: [trial.adapted])
      let executor = Executor(plan: plan, source: ArraySource(tensors: trial.data))
      for block in [1, 7, 64, 100_000] {
        #expect(try executor.bytes(of: 0, block: block) == trial.plainBytes, "trial \(index), block \(block)")
      }
    }
  }

  @Test(
    "every method makes of an adapted weight what it makes of the same numbers stored", arguments: MergeMethod.allCases)
  func methods(method: MergeMethod) throws {
    guard method != .copy, !method.isOwn else { return }
    let trial = AdapterTrial(24, 40, rank: 4, decomposed: method == .ties, seed: 21)
    let parameters =
      switch method {
      case .slerp, .nearswap: "parameters: {t: 0.3}"
      case .della, .dellaLinear: "parameters: {density: 0.5, epsilon: 0.1, weight: 0.6}"
      case .modelStock, .karcher, .sce, .ram, .ramPlus, .arceeFusion: ""
      case .passthrough: "parameters: {scale: 0.7}"
      default:
        method.rawValue.hasPrefix("nu") || [.linear, .multislerp].contains(method)
          ? "parameters: {weight: 0.6}" : "parameters: {density: 0.5, weight: 0.6}"
      }
    let single: Set<MergeMethod> = [.slerp, .nearswap, .arceeFusion]
    let others =
      method == .passthrough
      ? "[{model: X}]" : single.contains(method) ? "[{model: X}]" : "[{model: X}, {model: other}]"
    let base = [.passthrough, .linear, .karcher].contains(method) ? "" : "base_model: base\n"
    func bytes(_ reference: String, _ input: ModelInput, _ data: [[String: [UInt8]]], workers: Int) throws -> [UInt8] {
      let text =
        "merge_method: \(method.rawValue)\n\(base)models: \(others)\ndtype: bfloat16\n\(parameters)"
        .replacing("X", with: reference)
      let recipe = try Recipe(yaml: text)
      func plain(_ name: String) -> ModelInput { model(name, [("w", [24, 40])]) }
      let inputs = recipe.modelReferences.map { $0 == reference ? input : plain($0) }
      let plan = try Planner.plan(recipe: recipe, inputs: inputs)
      let places = ["base": 0, "lora": 1, "other": 2, "stored": 3]
      let executor = Executor(
        plan: plan, source: ArraySource(tensors: plan.inputs.map { data[places[$0]!] }))
      return try executor.bytes(of: 0, block: workers == 1 ? 333 : 96, workers: workers)
    }
    let stored = ModelInput(
      reference: "stored", tensors: [TensorInput(name: "w", dtype: .f32, shape: Shape([24, 40]))])
    let data = trial.data + [["w": trial.plainBytes]]
    let wanted = try bytes("stored", stored, data, workers: 1)
    for workers in [1, 3] { #expect(try bytes("base+lora", trial.adapted, data, workers: workers) == wanted) }
  }

  @Test("a plan reads base and adapter once each, and says which input is which")
  func plan() throws {
    let trial = AdapterTrial(6, 10, rank: 2, seed: 9)
    let recipe = try Recipe(
      yaml: "merge_method: linear\nmodels: [{model: base}, {model: base+lora}]\nparameters: {weight: 1}")
    let plan = try Planner.plan(recipe: recipe, inputs: [model("base", [("w", [6, 10])]), trial.adapted])
    #expect(plan.inputs == ["base", "lora"])
    #expect(plan.tensors[0].dtype == .bf16)
    #expect(plan.tensors[0].bytesToRead == 2 * 6 * 10 * 2 + (2 * 10 + 6 * 2) * 4)
    #expect(plan.description.contains("input 0+1  base+lora") && plan.description.contains("linear of 0 0+1"))
  }

  @Test("in mergekit's arithmetic an adapted weight is rounded once to the base's dtype before anything else")
  func stepwise() throws {
    let trial = AdapterTrial(9, 33, rank: 3, seed: 12)
    for (output, working) in [("bfloat16", DType.bf16), ("float32", .f32), ("float16", .f16)] {
      let plan = try Planner.plan(
        recipe: Recipe(yaml: Self.passthrough + output), inputs: [trial.adapted], arithmetic: Plan.mergekit015)
      let executor = Executor(plan: plan, source: ArraySource(tensors: trial.data))
      let wanted = trial.plain(Float.self).flatMap {
        Plain.bytes(Plain.number(Plain.bytes(Double($0), .bf16)[...], .bf16), working)
      }
      #expect(try executor.bytes(of: 0, block: 50) == wanted)
    }
  }

  @Test("numbers that are not finite are refused with the base and its adapter named")
  func notFinite() throws {
    let trial = AdapterTrial(6, 10, rank: 2, seed: 9)
    var data = trial.data
    data[1]["a"]?.replaceSubrange(0..<4, with: [0, 0, 0xC0, 0x7F])
    let recipe = try Recipe(
      yaml: "merge_method: ties\nbase_model: base\nmodels: [{model: base+lora, parameters: {weight: 1, density: 0.5}}]")
    let plan = try Planner.plan(recipe: recipe, inputs: [model("base", [("w", [6, 10])]), trial.adapted])
    // The base comes last among the recipe's models, but its part of the adapted input comes first.
    let source = ArraySource(tensors: plan.inputs.map { data[$0 == "lora" ? 1 : 0] })
    #expect(throws: MergeError.notFinite(tensor: "w", model: "base+lora", element: 0, value: "NaN", measuredBy: nil)) {
      try Executor(plan: plan, source: source).bytes(of: 0, block: 60)
    }
  }
}
