import Merging
import Testing

private func steps(_ yaml: String) throws -> [String?] { try RecipeSteps(yaml: yaml).recipes.map(\.name) }

private func refusal(_ yaml: String) -> MergeError? {
  do {
    _ = try RecipeSteps(yaml: yaml)
    return nil
  } catch {
    return error
  }
}

private func recipe(_ name: String?, _ models: String...) -> String {
  let list = models.map { "{model: \($0), parameters: {weight: 1}}" }.joined(separator: ", ")
  return (name.map { "name: \($0)\n" } ?? "") + "merge_method: linear\nmodels: [\(list)]\n"
}

@Suite struct RecipeStepsTests {
  @Test("one recipe is one step, its text kept as written")
  func single() throws {
    let text = "# mine\n---\n" + recipe(nil, "a")
    let steps = try RecipeSteps(yaml: text)
    #expect(steps.recipes.map(\.text) == [text])
    #expect(try RecipeSteps(yaml: recipe("x", "a")).recipes.map(\.name) == ["x"])
  }

  @Test("steps come after those they use, the unnamed one or else the last one at the end")
  func order() throws {
    #expect(
      try steps([recipe("b", "a", "y"), recipe("a", "x"), recipe("c", "b")].joined(separator: "---\n")) == [
        "a", "b", "c",
      ])
    #expect(
      try steps([recipe(nil, "a"), recipe("a", "x"), recipe("b", "x")].joined(separator: "---\n")) == ["a", "b", nil])
    let whole = recipe("a", "x") + "---\n" + recipe(nil, "a")
    #expect(try RecipeSteps(yaml: whole).recipes.map(\.text) == [String(recipe("a", "x").dropLast()), whole])
  }

  @Test("circles, repeated names and two results are refused; errors have the lines of the whole text")
  func refusals() {
    #expect(
      refusal([recipe("a", "b"), recipe("b", "a"), recipe(nil, "a")].joined(separator: "---\n"))
        == .misfit(place: "the recipes", expected: "none that needs itself", found: "a -> b -> a", line: 1))
    #expect(
      refusal(recipe("a", "x") + "---\n" + recipe("a", "x"))
        == .misfit(place: "the recipe 'a'", expected: "a name of its own", found: "a second one", line: 4))
    #expect(
      refusal(recipe(nil, "x") + "---\n" + recipe(nil, "x"))
        == .missingKey("name", place: "every recipe but one", line: 3))
    #expect(
      refusal(recipe("a", "z") + "---\n" + recipe("b", "c") + "---\n" + recipe("c", "b"))
        == .misfit(place: "the recipes", expected: "none that needs itself", found: "b -> c -> b", line: 4))
    #expect(
      refusal(recipe("a", "x") + "---\nmerge_metod: linear\n")
        == .unknownKey("merge_metod", place: "the recipe", line: 5, suggestion: "merge_method"))
    #expect(refusal("") == .missingKey("merge_method", place: "the recipe", line: nil))
  }
}
