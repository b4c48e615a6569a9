import Tensors
import Testing

@testable import Merging

@Suite("how much of a result comes from each input") struct PlanSharesTests {
  /// The shares of the inputs `a`, `b`, `c` … of a recipe, of models with these tensors.
  private func shares(_ yaml: String, _ tensors: [(String, [Int])] = [("w", [4])]) throws -> [String: Double] {
    let recipe = try Recipe(yaml: yaml)
    let plan = try Planner.plan(
      recipe: recipe, inputs: recipe.modelReferences.map { model($0, tensors) })
    return Dictionary(uniqueKeysWithValues: zip(plan.inputs, plan.shares))
  }

  private func expect(_ found: [String: Double], _ expected: [String: Double]) {
    #expect(found.keys.sorted() == expected.keys.sorted())
    for (name, share) in expected { #expect(abs((found[name] ?? -1) - share) < 1e-12, "\(name) of \(found)") }
  }

  @Test("of a weighted mean it is the size of the weight among all, a negative one's too")
  func linear() throws {
    expect(
      try shares(
        "merge_method: linear\nmodels: [{model: a, parameters: {weight: 3}}, {model: b, parameters: {weight: -1}}]\n"),
      ["a": 0.75, "b": 0.25])
  }

  @Test("gradients count layer by layer, and layers by their elements")
  func gradients() throws {
    expect(
      try shares(
        """
        merge_method: linear
        models:
          - {model: a, parameters: {weight: [0, 1]}}
          - {model: b, parameters: {weight: 0.5}}
        """, [("model.layers.0.w", [2, 4]), ("model.layers.1.w", [4, 4]), ("norm", [4])]),
      // Nothing of the first layer and the norm, 1 in 1.5 of 16 elements.
      ["a": 16.0 / 28 / 1.5, "b": 1 - 16.0 / 28 / 1.5])
  }

  @Test("a base that others are differences to counts with weight 1, beside weights times lambda")
  func taskVectors() throws {
    let recipe = """
      merge_method: task_arithmetic
      base_model: base
      models: [{model: a, parameters: {weight: 0.6}}, {model: b, parameters: {weight: 0.4}}]
      parameters: {lambda: LAMBDA, normalize: NORMALIZE}
      """
    func shares(lambda: Double, normalize: Bool) throws -> [String: Double] {
      try self.shares(recipe.replacing("LAMBDA", with: "\(lambda)").replacing("NORMALIZE", with: "\(normalize)"))
    }
    expect(try shares(lambda: 1, normalize: false), ["base": 0.5, "a": 0.3, "b": 0.2])
    expect(try shares(lambda: 3, normalize: false), ["base": 0.25, "a": 0.45, "b": 0.3])
    let doubled = recipe.replacing("0.6", with: "6").replacing("0.4", with: "4")
    expect(
      try self.shares(doubled.replacing("LAMBDA", with: "1").replacing("NORMALIZE", with: "true")),
      ["base": 0.5, "a": 0.3, "b": 0.2])
  }

  @Test("slerp gives 1 - t and t, a method without weights as much to each")
  func others() throws {
    expect(
      try shares("merge_method: slerp\nbase_model: a\nmodels: [{model: b}]\nparameters: {t: 0.3}\n"),
      ["a": 0.7, "b": 0.3])
    expect(
      try shares("merge_method: model_stock\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"),
      ["base": 1.0 / 3, "a": 1.0 / 3, "b": 1.0 / 3])
    let two = "models: [{model: a}, {model: b}]\n"
    expect(
      try shares("merge_method: resta\nbase_model: u\n\(two)parameters: {gamma: 0.5}\n"),
      ["a": 0.5, "b": 0.25, "u": 0.25])
    expect(
      try shares("merge_method: pre_post\nbase_model: a\nmodels: [{model: b}]\nparameters: {lambda: 0.2}\n"),
      ["a": 0.8, "b": 0.2])
    expect(
      try shares("merge_method: merge_align\nbase_model: o\n\(two)parameters: {alpha: 0.25}\n"),
      ["o": 0.5, "a": 0.125, "b": 0.375])
    expect(try shares("merge_method: karcher\nmodels: [{model: a}, {model: b}]\n"), ["a": 0.5, "b": 0.5])
  }

  @Test("stacked layers count by what each gave, and weights of 0 share evenly")
  func stacks() throws {
    expect(
      try shares(
        """
        merge_method: passthrough
        slices:
          - sources: [{model: a, layer_range: [0, 2]}]
          - sources: [{model: b, layer_range: [0, 1]}]
        """, [("model.layers.0.w", [8]), ("model.layers.1.w", [8])]),
      ["a": 2.0 / 3, "b": 1.0 / 3])
    expect(
      try shares(
        """
        merge_method: linear
        models: [{model: a}, {model: b}]
        parameters: {weight: 0, normalize: false}
        """), ["a": 0.5, "b": 0.5])
  }

  @Test(
    "of every method the shares are from 0 to 1 and make 1",
    arguments: MergeMethod.inRecipes.filter { ![.somf, .safeLora, .safeMerge].contains($0) })
  func sums(_ method: MergeMethod) throws {
    let values = ["weight": "0.5", "t": "0.4", "density": "0.5", "epsilon": "0.1", "select_topk": "0.5", "scale": "2"]
    let parameters = method.parameters.compactMap { rule in values[rule.name].map { "\(rule.name): \($0)" } }
    let several = method.inputCount.contains(2) && method != .passthrough
    let found = try shares(
      """
      merge_method: \(method.rawValue)
      \(method.needsBase ? "base_model: base" : "")
      models: [{model: a}\(several ? ", {model: b}" : "")]
      parameters: {\(parameters.joined(separator: ", "))}
      """, [("w", [4, 4]), ("norm", [4])])
    #expect(found.values.allSatisfy { (0...1).contains($0) })
    #expect(abs(found.values.reduce(0, +) - 1) < 1e-12)
    #expect(found.values.allSatisfy { $0 > 0 }, "\(method): \(found)")
  }
}
