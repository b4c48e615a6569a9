import Tensors
import Testing

@testable import Merging

/// The refusal of a plan in both arithmetics, which must be the same.
private func refusal(_ method: String, base: Bool = true, models: String = "{model: m}", _ parameters: String)
  -> MergeError?
{
  let base = base ? "base_model: base\n" : ""
  let yaml = "merge_method: \(method)\n\(base)models: [\(models)]\nparameters: {\(parameters)}\n"
  let found = Plan.arithmetics.map { arithmetic -> MergeError? in
    do throws(MergeError) {
      let recipe = try Recipe(yaml: yaml)
      let inputs = recipe.modelReferences.map { model($0, [("x", [4])]) }
      _ = try Planner.plan(recipe: recipe, inputs: inputs, arithmetic: arithmetic)
      return nil
    } catch {
      return error
    }
  }
  #expect(found[0] == found[1], "\(yaml)")
  return found[0]
}

private let pair = "{model: a, parameters: {weight: 0.25}}, {model: b, parameters: {weight: -0.25}}"

@Suite("parameters that cannot give a result are refused before weights are read") struct ParameterCheckTests {
  @Test("probabilities that DELLA and DARE cannot draw", arguments: ["della", "della_linear"])
  func odds(_ method: String) {
    for (density, epsilon) in [(0.05, 0.1), (0.1, 0.1), (0.9, 0.15), (0.5, -0.5), (0.9, -0.2)] {
      #expect(
        refusal(method, "weight: 1, density: \(density), epsilon: \(epsilon)")
          == .keepProbability(tensor: "x", density: density, epsilon: epsilon))
    }
    #expect(refusal(method, "weight: 1, density: 1") == nil)
    #expect(refusal(method, "weight: 1, density: 0") == nil)
    #expect(refusal(method, "weight: 1, density: 0.5") == nil)
    let dare = method.replacing("della_linear", with: "dare_linear").replacing("della", with: "dare_ties")
    #expect(
      refusal(dare, "weight: 1, density: -1")
        == .parameterRange("density", value: -1, tensor: "x", expected: "a probability from 0 to 1"))
    #expect(refusal(dare, "weight: 1, density: 2") == nil)
  }

  @Test("weights that sum to zero where they are normalized; mergekit would write NaN or infinity")
  func zeroSums() {
    #expect(refusal("multislerp", models: pair, "eps: 1e-8") == .weightsSumToZero(tensor: "x", weights: [0.25, -0.25]))
    #expect(refusal("multislerp", models: pair, "normalize_weights: false") == nil)
    #expect(refusal("multislerp", base: false, "weight: 0") == nil, "a single model is taken as it is")
    #expect(
      refusal("linear", base: false, models: pair, "normalize: true")
        == .weightsSumToZero(tensor: "x", weights: [0.25, -0.25]))
    #expect(refusal("linear", base: false, models: pair, "normalize: false") == nil)
    #expect(refusal("task_arithmetic", models: pair, "normalize: true") == nil, "such sums count as 1")
    #expect(refusal("nuslerp", models: pair, "nuslerp_flatten: true") == nil, "half-way, as in mergekit")
    #expect(
      MergeError.weightsSumToZero(tensor: "x", weights: [0.25, -0.25]).description
        == "the weights 0.25, -0.25 of tensor 'x' sum to zero (or beyond f32) and cannot be normalized; change one, "
        + "or turn the normalization off")
  }

  @Test("numbers of steps that are no whole numbers")
  func steps() {
    for steps in ["2.5", "1e30"] {
      guard
        case .parameterRange("max_iter", _, tensor: "x", expected: "a whole number") = refusal(
          "karcher", base: false, "max_iter: \(steps)")
      else {
        Issue.record("max_iter \(steps)")
        continue
      }
    }
    #expect(refusal("karcher", base: false, "max_iter: 3.0") == nil)
  }

  @Test(
    "shares far outside 0 to 1 are as 0 or 1 and trap nowhere",
    arguments: [
      ("breadcrumbs", "weight: 1, density: -1e30"), ("breadcrumbs", "weight: 1, density: 0.5, gamma: 1e30"),
      ("breadcrumbs_ties", "weight: 1, density: 0.5, gamma: -1e30"), ("sce", "select_topk: -1e30"),
      ("ties", "weight: 1, density: -1e30"), ("ties", "weight: 1, density: 1e30"), ("karcher", "max_iter: -3"),
    ])
  func extremes(_ method: String, _ parameters: String) throws {
    let base = method == "karcher" ? "" : "base_model: base\n"
    let recipe = try Recipe(
      yaml: "merge_method: \(method)\n\(base)models: [{model: m}]\nparameters: {\(parameters)}\n")
    let numbers: [String: [Double]] = ["m": [1, 2, 3, 5], "base": [1, 1, 1, 1]]
    let inputs = recipe.modelReferences.map { model($0, [("x", [4])], .f32) }
    let source = ArraySource(
      tensors: recipe.modelReferences.map { ["x": numbers[$0]!.flatMap { Plain.bytes($0, .f32) }] })
    let results = try Plan.arithmetics.map {
      try Executor(plan: Planner.plan(recipe: recipe, inputs: inputs, arithmetic: $0), source: source)
        .bytes(of: 0, block: 4)
    }
    #expect(MethodTrial.numbers(results[0], .f32) == MethodTrial.numbers(results[1], .f32))
  }
}
