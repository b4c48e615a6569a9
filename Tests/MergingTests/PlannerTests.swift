import Merging
import Tensors
import Testing

private let two = "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n"

private func refusal(_ yaml: String, _ inputs: [ModelInput]) throws -> MergeError? {
  let recipe = try Recipe(yaml: yaml)
  do {
    _ = try Planner.plan(recipe: recipe, inputs: inputs)
    return nil
  } catch {
    return error
  }
}

private func weights(_ yaml: String, _ names: [String]) throws -> [[Double]] {
  let plan = try Planner.plan(
    recipe: Recipe(yaml: yaml), inputs: ["a", "b"].map { model($0, names.map { ($0, [1]) }) })
  return plan.tensors.map { $0.method.perInput["weight"] ?? [] }
}

@Suite struct PlannerTests {
  @Test("a linear plan prints as agreed")
  func goldenLinear() throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: linear
        models:
          - {model: math, parameters: {weight: [0, 1]}}
          - {model: code, parameters: {weight: 0.5}}
        out_dtype: float16
        """)
    let tensors = [("norm", [4]), ("model.layers.0.w", [2, 4]), ("model.layers.1.w", [2, 4])]
    var math = model("math", tensors)
    math = ModelInput(
      reference: "math", tensors: math.tensors + [TensorInput(name: "ids", dtype: .i64, shape: Shape([3]))])
    var code = model("code", tensors, .f32)
    code = ModelInput(
      reference: "code", tensors: [TensorInput(name: "ids", dtype: .i64, shape: Shape([3]))] + code.tensors)
    let plan = try Planner.plan(recipe: recipe, inputs: [code, math])
    let expected = """
      arithmetic exact-1

      input 0  math
      input 1  code

      way 1  copy of 0 1
      way 2  linear of 0 1, weight 0 0.5, normalize 1
      way 3  linear of 0 1, weight 1 0.5, normalize 1

      way  dtype  shape   reads  tensor
      1    I64    [3]        48  ids
      2    F16    [2, 4]     48  model.layers.0.w
      3    F16    [2, 4]     48  model.layers.1.w
      2    F16    [4]        24  norm

      4 tensors, 168 bytes to read, 64 bytes to write
      """
    #expect(plan.description == expected)
    #expect(try plan == Planner.plan(recipe: recipe, inputs: [math, code]))
    // Of 8 elements the output and both inputs as stored, and three times as many wide numbers.
    #expect(plan.memory == max(8 * (2 + 2 + 4) + 8 * 3 * 4, 3 * 16))
  }

  @Test("a task arithmetic plan prints as agreed; the base needs no weight")
  func goldenTaskArithmetic() throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: task_arithmetic
        base_model: base
        models:
          - {model: math, parameters: {weight: 0.4}}
          - {model: code, parameters: {weight: -1}}
        parameters: {lambda: 0.5, normalize: [false, true]}
        """)
    let tensors = [("h.0.w", [2]), ("h.1.w", [2]), ("scalar", [])]
    let plan = try Planner.plan(
      recipe: recipe, inputs: [model("base", tensors), model("math", tensors), model("code", tensors, .f16)])
    #expect(
      plan.description == """
        arithmetic exact-1

        input 0  math
        input 1  code
        input 2  base

        way 1  task_arithmetic of 0 1, base 2, density 1 1, weight 0.4 -1, lambda 0.5,
               normalize 0, rescale 0
        way 2  task_arithmetic of 0 1, base 2, density 1 1, weight 0.4 -1, lambda 0.5,
               normalize 1, rescale 0

        way  dtype  shape  reads  tensor
        1    F32    [2]       12  h.0.w
        2    F32    [2]       12  h.1.w
        1    F32    []         6  scalar

        3 tensors, 30 bytes to read, 20 bytes to write
        """)
  }

  @Test(
    "numbers print exactly, whole ones without a fraction, however large",
    arguments: [
      (0.5, "0.5"), (-1, "-1"), (1e30, "1e+30"), (0.1 + 0.2, "0.30000000000000004"),
    ])
  func numbers(_ value: Double, _ text: String) {
    #expect(value.inPlans == text)
  }

  @Test("gradients run over the layers of their own stack and are zero outside")
  func gradients() throws {
    let names = ["a.layers.0.w", "a.layers.1.w", "a.layers.2.w", "b.blocks.0.w", "embed", "layers.x"]
    let yaml = """
      merge_method: linear
      models:
        - {model: a, parameters: {weight: [0, 1, 4, 8]}}
        - {model: b, parameters: {weight: 1}}
      """
    #expect(try weights(yaml, names).map { $0[0] } == [0, 2.5, 8, 8, 0, 0])
  }

  @Test("the first filter that fits wins; none leads to the global value, then to a refusal")
  func filters() throws {
    let yaml = """
      merge_method: linear
      models:
        - {model: a, parameters: {weight: [{filter: mlp.up, value: 2}, {filter: mlp, value: [3, 5]}]}}
        - {model: b, parameters: {weight: {filter: "*", value: 7}}}
      """
    let names = ["layers.0.mlp.down", "layers.1.mlp.down", "layers.1.mlp.up"]
    #expect(try weights(yaml, names) == [[3, 7], [5, 7], [2, 7]])
    #expect(try weights(yaml + "\nparameters: {weight: 9}", names + ["norm"]).last == [9, 7])
    #expect(
      try refusal(yaml, [model("a", [("norm", [1])]), model("b", [("norm", [1])])])
        == .missingParameter("weight", model: "a", tensor: "norm"))
    let filter = "[{filter: 'm*p', value: 1}, {value: 4}]"
    let literal = "{merge_method: linear, models: [{model: a}, {model: b}], parameters: {weight: \(filter)}}"
    #expect(try weights(literal, ["mlp"]) == [[4, 4]])
  }

  @Test("a head that a model ties to its embedding is that embedding, where another model has one of its own")
  func tiedHeads() throws {
    let (embedding, head) = (("model.embed_tokens.weight", [4, 2]), ("lm_head.weight", [4, 2]))
    let inputs = [model("a", [embedding, head]), model("b", [embedding])]
    let plan = try Planner.plan(recipe: Recipe(yaml: two), inputs: inputs)
    #expect(plan.tensors.map(\.name) == ["lm_head.weight", "model.embed_tokens.weight"])
    #expect(plan.tensors[0].inputs.map(\.tensor) == ["lm_head.weight", "model.embed_tokens.weight"])
    let filtered =
      "{merge_method: linear, models: [{model: a}, {model: b}], parameters: {weight: "
      + "[{filter: embed, value: 1}, {value: 3}]}}"
    #expect(
      try Planner.plan(recipe: Recipe(yaml: filtered), inputs: inputs).tensors[0].method.perInput["weight"] == [3, 3])
    #expect(
      try refusal(two, [model("a", [head]), model("b", [("x", [1])])])
        == .missingTensor("lm_head.weight", lacking: "b", having: "a"))
  }

  @Test("different sets of tensors are refused, naming the tensor and the model that lacks it")
  func keySets() throws {
    let (small, large) = ([("x", [1])], [("x", [1]), ("y", [2])])
    #expect(
      try refusal(two, [model("a", large), model("b", small)]) == .missingTensor("y", lacking: "b", having: "a"))
    #expect(
      try refusal(two, [model("a", small), model("b", large)]) == .missingTensor("y", lacking: "a", having: "b"))
    #expect(try refusal(two, [model("a", small)]) == .missingInput("b"))
    #expect(
      try refusal(two, [model("a", small + small), model("b", small)]) == .repeatedTensor("x", model: "a"))
  }

  @Test("different shapes are refused with both shapes")
  func shapes() throws {
    let error = try refusal(two, [model("a", [("x", [2, 3])]), model("b", [("x", [3, 2])])])
    #expect(
      error?.description == "tensor 'x' has shape [2, 3] in model 'a' but [3, 2] in model 'b'")
    let huge = [("x", [Int.max / 2, 4])]
    #expect(
      try refusal(two, [model("a", huge), model("b", huge)])
        == .shapeTooLarge(tensor: "x", shape: Shape([Int.max / 2, 4]), dtype: .bf16))
  }

  @Test("weights that cannot be normalized are refused, missing ones too, the base's included")
  func weightRefusals() throws {
    let inputs = ["a", "b"].map { model($0, [("x", [1])]) }
    let opposite = """
      merge_method: linear
      models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: -1}}]
      """
    #expect(try refusal(opposite, inputs) == .weightsSumToZero(tensor: "x", weights: [1, -1]))
    #expect(try refusal(opposite + "\nparameters: {normalize: false}", inputs) == nil)
    let half = "merge_method: linear\nbase_model: b\nmodels: [{model: a, parameters: {weight: 1}}]"
    #expect(try refusal(half, inputs) == .missingParameter("weight", model: "b", tensor: "x"))
    let task = "merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: a}]"
    #expect(try refusal(task, inputs) == .missingParameter("weight", model: "a", tensor: "x"))
  }

  @Test("the output dtype is out_dtype, else dtype, else what holds all inputs")
  func outputTypes() throws {
    func output(_ a: DType, _ b: DType, _ extra: String = "") throws -> DType {
      try Planner.plan(
        recipe: Recipe(yaml: two + extra), inputs: [model("a", [("x", [1])], a), model("b", [("x", [1])], b)]
      ).tensors[0].dtype
    }
    #expect(try output(.bf16, .bf16) == .bf16)
    #expect(try output(.bf16, .f16) == .f32)
    #expect(try output(.f32, .f16) == .f32)
    #expect(try output(.bf16, .f64) == .f64)
    #expect(try output(.bf16, .bf16, "dtype: float32") == .f32)
    #expect(try output(.bf16, .bf16, "dtype: float32\nout_dtype: float16") == .f16)
    #expect(try output(.u8, .u8, "dtype: float32") == .u8)
  }

  @Test("tensors that are copied must agree in dtype, and in digest where digests are known")
  func copies() throws {
    func input(_ name: String, _ dtype: DType, _ digest: String?) -> ModelInput {
      let tensor = TensorInput(name: "x", dtype: dtype, shape: Shape([4]), digestHex: digest)
      return ModelInput(reference: name, tensors: [tensor])
    }
    #expect(
      try refusal(two, [input("a", .i8, nil), input("b", .u8, nil)])
        == .dtypeMismatch(tensor: "x", first: "a", firstDType: .i8, second: "b", secondDType: .u8))
    #expect(
      try refusal(two, [input("a", .f32, nil), input("b", .f8e4m3, nil)])
        == .dtypeMismatch(tensor: "x", first: "a", firstDType: .f32, second: "b", secondDType: .f8e4m3))
    #expect(
      try refusal(two, [input("a", .i8, "00"), input("b", .i8, "01")])
        == .contentMismatch(tensor: "x", first: "a", second: "b", dtype: .i8))
    let recipe = try Recipe(yaml: two)
    let known = try Planner.plan(recipe: recipe, inputs: [input("a", .i8, "00"), input("b", .i8, "00")])
    #expect(known.tensors[0].inputs.map(\.model) == [0])
    let unknown = try Planner.plan(recipe: recipe, inputs: [input("a", .i8, "00"), input("b", .i8, nil)])
    #expect(unknown.tensors[0].inputs.map(\.model) == [0, 1])
  }

  @Test(
    "a base alone is the result, to the bit, in both arithmetics",
    arguments: [
      "task_arithmetic", "ties", "dare_ties", "dare_linear", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties",
      "sce", "ram", "ramplus_tl",
    ])
  func baseAlone(_ method: String) throws {
    let recipe = try Recipe(yaml: "merge_method: \(method)\nbase_model: b\nmodels: [{model: b}]")
    // Minus zero, which an addition of zero would lose.
    let stored: [UInt8] = [0x00, 0x80, 0x80, 0x3F]
    for arithmetic in Plan.arithmetics {
      let plan = try Planner.plan(recipe: recipe, inputs: [model("b", [("x", [2])])], arithmetic: arithmetic)
      let executor = Executor(plan: plan, source: ArraySource(tensors: [["x": stored]]))
      #expect(plan.tensors[0].dtype == .bf16)
      #expect(try executor.bytes(of: 0, block: 1) == stored)
    }
  }

  @Test("a number of models that the method cannot take is refused, the base counted apart")
  func inputCounts() throws {
    func refused(_ method: String, _ models: String, _ base: String?, _ parameters: String) throws -> MergeError? {
      let listed = models.map { "{model: \($0)}" }.joined(separator: ", ")
      let yaml = "merge_method: \(method)\nmodels: [\(listed)]\nparameters: {\(parameters)}\n"
      let recipe = base.map { yaml + "base_model: \($0)\n" } ?? yaml
      let names = Set(models.map { String($0) } + (base.map { [$0] } ?? []))
      return try refusal(recipe, names.map { model($0, [("x", [1])]) })
    }
    #expect(try refused("slerp", "ab", "a", "t: 0.5") == nil)
    #expect(
      try refused("slerp", "abc", "a", "t: 0.5")
        == .inputCount(method: "slerp", expected: 1...1, found: 2, base: true))
    #expect(
      try refused("model_stock", "a", "b", "filter_wise: false")
        == .inputCount(method: "model_stock", expected: 2...Int.max, found: 1, base: true))
    #expect(
      try refused("nuslerp", "abc", nil, "weight: 1")
        == .inputCount(method: "nuslerp", expected: 2...2, found: 3, base: false))
    #expect(try refused("ties", "a", "a", "weight: 1") == nil)
  }

  @Test("an arithmetic of the future is refused")
  func arithmetic() throws {
    let recipe = try Recipe(yaml: two)
    #expect(throws: MergeError.unknownArithmetic("exact-9")) {
      try Planner.plan(recipe: recipe, inputs: [], arithmetic: "exact-9")
    }
  }
}
