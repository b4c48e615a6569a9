import Tensors
import Testing

@testable import Merging

/// A recipe of any method over as many models as it takes; `extra` goes to the global parameters.
private func recipe(_ method: MergeMethod, _ extra: String = "", tail: String = "") throws -> Recipe {
  let models = method.inputCount.contains(2) && method != .passthrough ? ["m1", "m2"] : ["m1"]
  let values = ["weight": "0.5", "t": "0.4", "density": "0.5", "epsilon": "0.1", "scale": "2", "select_topk": "0.5"]
  let parameters = method.parameters.compactMap { rule in
    extra.contains(rule.name + ":") ? nil : values[rule.name].map { "\(rule.name): \($0)" }
  }
  let listed = models.map { "{model: \($0)}" }.joined(separator: ", ")
  return try Recipe(
    yaml: """
      merge_method: \(method.rawValue)
      \(method.needsBase ? "base_model: base" : "")
      models: [\(listed)]
      parameters: {\((parameters + (extra.isEmpty ? [] : [extra])).joined(separator: ", "))}
      \(tail)
      """)
}

/// What the recipe's models make of numbers; the tensor has 5 rows.
private func merged(
  _ recipe: Recipe, _ numbers: [[Double]], _ dtype: DType, _ arithmetic: String = Plan.exact1, isProved: Bool = false
) throws -> [UInt8] {
  let inputs = recipe.modelReferences.map { model($0, [("x", [5, 6])], dtype) }
  let plan = try Planner.plan(recipe: recipe, inputs: inputs, arithmetic: arithmetic)
  let source = ArraySource(tensors: numbers.map { ["x": $0.flatMap { Plain.bytes($0, dtype) }] })
  return try Executor(plan: plan, source: source, isProved: isProved).bytes(of: 0, block: 12)
}

private func finite(_ count: Int) -> [[Double]] {
  (0..<count).map { model in (0..<30).map { Double($0 * (model + 1) % 7 - 3) } }
}

@Suite("numbers that are not finite") struct NonfiniteTests {
  @Test(
    "every method in every arithmetic refuses NaN and infinity, naming input, tensor, element, value and a way out",
    arguments: MergeMethod.inRecipes.filter { !$0.isOwn })
  func refused(_ method: MergeMethod) throws {
    let pruned = method.parameters.contains { $0.name == "density" }
    for density in pruned ? ["density: 0", "density: 0.5", "density: 1"] : [""] {
      let recipe = try recipe(method, density)
      for (arithmetic, dtypes) in [(Plan.exact1, [DType.bf16, .f16, .f32, .f64]), (Plan.mergekit015, [.bf16, .f32])] {
        for dtype in dtypes {
          for (bad, text) in [(Double.nan, "NaN"), (.infinity, "inf"), (-.infinity, "-inf")] {
            for culprit in recipe.modelReferences.indices {
              var numbers = finite(recipe.modelReferences.count)
              _ = try merged(recipe, numbers, dtype, arithmetic)
              numbers[culprit][17] = bad
              let model = recipe.modelReferences[culprit]
              let expected = MergeError.notFinite(tensor: "x", model: model, element: 17, value: text, measuredBy: nil)
              #expect(throws: expected, "\(method) \(density) \(arithmetic) \(dtype) \(text)") {
                try merged(recipe, numbers, dtype, arithmetic)
              }
            }
          }
        }
      }
    }
  }

  @Test("the refusal says what to do")
  func words() {
    let error = MergeError.notFinite(tensor: "x", model: "a", element: 17, value: "NaN", measuredBy: nil)
    #expect(
      error.description == "tensor 'x' of model 'a' has NaN at element 17, expected finite numbers; "
        + "to let them through set stemma: {allow_nonfinite: true} in the recipe")
  }

  @Test("a recipe can allow them: NaN is written as the canonical one, infinity as it is")
  func allowed() throws {
    var numbers = finite(2)
    numbers[0][17] = .nan
    numbers[1][4] = -.infinity
    for (dtype, nan, infinity) in [
      (DType.bf16, [0xC0, 0x7F] as [UInt8], [0x80, 0xFF] as [UInt8]), (.f32, [0, 0, 0xC0, 0x7F], [0, 0, 0x80, 0xFF]),
    ] {
      for arithmetic in Plan.arithmetics {
        let recipe = try recipe(.linear, tail: "stemma: {allow_nonfinite: true}")
        let bytes = try merged(recipe, numbers, dtype, arithmetic)
        let width = dtype.bits / 8
        #expect(Array(bytes[17 * width..<18 * width]) == nan)
        #expect(Array(bytes[4 * width..<5 * width]) == infinity)
      }
    }
  }

  @Test("methods that measure whole tensors refuse them even then")
  func measuring() throws {
    for method in [MergeMethod.ties, .slerp, .karcher, .sce, .modelStock, .dareTies, .breadcrumbs, .arceeFusion] {
      let recipe = try recipe(method, tail: "stemma: {allow_nonfinite: true}")
      var numbers = finite(recipe.modelReferences.count)
      numbers[0][17] = .nan
      let expected = MergeError.notFinite(
        tensor: "x", model: "m1", element: 17, value: "NaN", measuredBy: method.rawValue)
      #expect(throws: expected, "\(method)") { try merged(recipe, numbers, .f32) }
    }
  }

  @Test("bytes that are only copied are not looked at: a mask of minus infinities and any NaN pass as they are")
  func copied() throws {
    let plain = try Recipe(yaml: "merge_method: passthrough\nmodels: [{model: a}]")
    let patterns: [UInt16] = (0..<30).map { [0xFF80, 0xFFA5, 0x7F81, 0x3F80][$0 % 4] }
    let stored = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    for arithmetic in Plan.arithmetics {
      let plan = try Planner.plan(
        recipe: plain, inputs: [model("a", [("x", [5, 6])])], arithmetic: arithmetic)
      let source = ArraySource(tensors: [["x": stored]])
      #expect(try Executor(plan: plan, source: source).bytes(of: 0, block: 7) == stored)
      let widened = try Planner.plan(
        recipe: Recipe(yaml: plain.text + "\nout_dtype: float32"), inputs: [model("a", [("x", [5, 6])])],
        arithmetic: arithmetic)
      #expect(throws: MergeError.self) { try Executor(plan: widened, source: source).bytes(of: 0, block: 7) }
    }
  }

  @Test("what grows beyond the output's dtype is refused too")
  func overflow() throws {
    var numbers = finite(2)
    (numbers[0][9], numbers[1][9]) = (70_000, 70_000)
    for arithmetic in Plan.arithmetics {
      let half = try recipe(.linear, tail: "out_dtype: float16")
      #expect(throws: MergeError.outOfRange(tensor: "x", element: 9, value: "inf", dtype: .f16)) {
        try merged(half, numbers, .f32, arithmetic)
      }
      #expect(throws: Never.self) { try merged(recipe(.linear), numbers, .f32, arithmetic) }
    }
  }

  @Test("a plan that has run before is not checked again")
  func proved() throws {
    var numbers = finite(2)
    numbers[0][17] = .nan
    let bytes = try merged(recipe(.linear), numbers, .bf16, isProved: true)
    #expect(Array(bytes[34..<36]) == [0xC0, 0x7F])
  }
}
