import Tensors
import Testing

@testable import Merging

private let marked = """
  merge_method: task_arithmetic
  base_model: base
  models:
    - model: math     # a comment
      parameters:
        weight: {search: [0, 1.5], start: 0.5}
        density: &d
          search: [0.1, 1]
    - model: code
      parameters:
        weight: [{search: [0, 1]}, 0.25]
        density: *d
  parameters: {lambda: {search: [-1, 1e1], blocks: 2}}
  dtype: bfloat16

  """

@Suite("marks of a search")
struct SearchMarkTests {
  private func refusal(_ yaml: String) -> MergeError? {
    do {
      _ = try MarkedRecipe(yaml: yaml)
      return nil
    } catch {
      return error
    }
  }

  @Test("marks stand wherever a number does; an alias is the same number")
  func read() throws {
    let recipe = try MarkedRecipe(yaml: marked)
    #expect(recipe.marks.map(\.label) == ["weight of math", "density of math", "weight[0] of code", "lambda"])
    #expect(recipe.marks.map(\.start) == [0.5, 0.55, 0.5, 4.5])
    #expect(recipe.marks.map(\.bounds) == [0...1.5, 0.1...1, 0...1, -1...10])
    #expect(recipe.marks.map(\.blocks) == [nil, nil, nil, 2])
    #expect(recipe.marks.map(\.line) == [6, 7, 11, 13])
  }

  @Test("numbers take the places of marks, and all else stays")
  func substituted() throws {
    let marks = try MarkedRecipe(yaml: marked)
    let stacks = LayerStacks(names: ["model.layers.0.a", "model.layers.2.a", "x"])
    let recipe = try Recipe(yaml: marks.text([[0.7], [1e-6], [1], [2, 3]]) { _ in stacks })
    #expect(recipe.sources[0].parameters == ["weight": .number(0.7), "density": .number(1e-6)])
    #expect(recipe.sources[1].parameters == ["weight": .gradient([1, 0.25]), "density": .number(1e-6)])
    #expect(
      recipe.parameters["lambda"]
        == .filtered([
          .init(filter: "model.layers.2.", value: .number(3)), .init(filter: nil, value: .number(2)),
        ]))
    #expect(recipe.dtype == .bf16 && recipe.base == "base")
    #expect(try marks.text([[1], [1e-6], [1], [1]], layers: nil).contains("density: 1.0e-06"))
  }

  @Test("with blocks every layer has its block's number exactly, in each of several stacks whose names overlap")
  func blocks() throws {
    let yaml = "{merge_method: linear, models: [{model: a}], parameters: {weight: {search: [0, 1], blocks: 3}}}"
    let names = (0..<11).map { "model.layers.\($0).w" } + (0..<4).map { "vision_model.layers.\($0).w" } + ["norm"]
    let values = [0.1, 0.2, 0.3]
    let text = try MarkedRecipe(yaml: yaml).text([values]) { _ in LayerStacks(names: names) }
    let weight = try #require(try Recipe(yaml: text).parameters["weight"])
    for name in names {
      let layer = LayerStacks.layer(of: name)
      let count = layer?.stack == "model.layers" ? 11 : 4
      let wanted = values[layer.map { $0.index * 3 / count } ?? 0]
      #expect(weight.number(for: TensorPlace(name: name, position: 0.5)) == wanted, "\(name)")
    }
  }

  @Test("several recipes keep their marks and names apart")
  func steps() throws {
    let first = "name: x\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: {search: [0, 1]}}}]\n"
    let second = "merge_method: linear\nmodels: [{model: x, parameters: {weight: {search: [0, 2]}}}]\n"
    let recipe = try MarkedRecipe(yaml: first + "---\n" + second)
    #expect(recipe.marks.map(\.label) == ["weight of a", "weight of x"] && recipe.marks[1].line == 6)
    let steps = try RecipeSteps(yaml: recipe.text([[0.25], [1.5]], layers: nil))
    #expect(steps.recipes.map { $0.sources[0].parameters["weight"] } == [.number(0.25), .number(1.5)])
  }

  @Test(
    "a mark that says nothing sensible is refused with its line",
    arguments: [
      "{search: [1, 0]}", "{search: [0]}", "{search: 1}", "{search: [0, .inf]}", "{search: [0, 1], start: 2}",
      "{search: [0, 1], blocks: 0}", "{search: [0, 1], block: 2}", "[{search: [0, 1], blocks: 2}]",
      "{filter: mlp, value: {search: [0, 1], blocks: 2}}",
    ])
  func wrong(mark: String) throws {
    let yaml = "merge_method: linear\nmodels:\n  - model: a\n    parameters: {weight: \(mark)}\n"
    let error = try #require(refusal(yaml))
    #expect("\(error)".contains("line 4"), "\(error)")
  }

  @Test("blocks need whole models with as many layers")
  func noBlocks() throws {
    let sliced =
      "{merge_method: linear, slices: [{sources: [{model: a, layer_range: [0, 2], "
      + "parameters: {weight: {search: [0, 1], blocks: 2}}}]}]}"
    #expect("\(try #require(refusal(sliced)))".contains("a mark for each slice"))
    let whole = "{merge_method: linear, models: [{model: a, parameters: {weight: {search: [0, 1], blocks: 3}}}]}"
    let recipe = try MarkedRecipe(yaml: whole)
    #expect(throws: MergeError.self) {
      try recipe.text([[0, 0, 0]]) { _ in LayerStacks(names: ["model.layers.0.w", "model.layers.1.w"]) }
    }
    #expect(throws: MergeError.self) { try recipe.text([[0, 0, 0]]) { _ in LayerStacks(names: ["w"]) } }
  }

  @Test("a recipe with a mark is no recipe yet")
  func unread() throws {
    #expect(throws: MergeError.searchMark(line: 6)) { try Recipe(yaml: marked) }
    #expect(throws: MergeError.searchMark(line: 2)) {
      try Recipe(yaml: "merge_method: linear\ndtype: {search: [0, 1]}\nmodels: [{model: a}]")
    }
  }

  @Test("a mixture takes the listed models, dtype and tokenizer, and nothing else")
  func mixture() throws {
    let yaml = """
      {merge_method: ties, base_model: b, models: [{model: x, parameters: {weight: 1, density: 0.5}}, {model: 'y:1'}],
       parameters: {lambda: 2}, dtype: float32, tokenizer_source: union}
      """
    let mixture = try MixtureRecipe(yaml: yaml)
    #expect(mixture.references == ["x", "y:1"])
    let recipe = try Recipe(yaml: mixture.text(weights: [0.75, 0.25]))
    #expect(recipe.method == .linear && recipe.base == nil && recipe.dtype == .f32 && recipe.parameters.isEmpty)
    #expect(recipe.sources.map { $0.parameters["weight"] } == [.number(0.75), .number(0.25)])
    #expect(recipe.tokenizer != nil)
    let listed = try MixtureRecipe(yaml: "{merge_method: linear, base_model: x, models: [{model: x}, {model: y}]}")
    #expect(try Recipe(yaml: listed.text(weights: [1, 0])).base == "x")
    #expect(try Recipe(yaml: MixtureRecipe.copy(of: "../a b")).modelReferences == ["../a b"])
    #expect(throws: MergeError.self) {
      try MixtureRecipe(yaml: "{merge_method: linear, slices: [{sources: [{model: a, layer_range: [0, 1]}]}]}")
    }
  }
}
