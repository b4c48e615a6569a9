import Merging
import Tensors
import Testing

/// The refusal of a recipe, or nil where it is read.
private func refusal(_ yaml: String) -> MergeError? {
  do {
    _ = try Recipe(yaml: yaml)
    return nil
  } catch {
    return error
  }
}

@Suite struct RecipeTests {
  @Test("a full recipe is read as written")
  func full() throws {
    let text = """
      merge_method: task_arithmetic
      base_model: base
      models:
        - model: base
        - model: ./math   # a path
          parameters:
            weight: [0, 0.5, 1]
        - model: code:v1
          parameters:
            weight:
              - {filter: mlp, value: "1e-5"}
              - value: 2
      parameters: {normalize: true, lambda: 0.5, int8_mask: off}
      dtype: float32
      out_dtype: torch.bfloat16
      tokenizer_source:
      """
    let recipe = try Recipe(yaml: text)
    #expect(recipe.text == text)
    #expect(recipe.method == .taskArithmetic)
    #expect(recipe.modelReferences == ["base", "./math", "code:v1"])
    #expect(recipe.sources[0].parameters == [:])
    #expect(recipe.sources[1].parameters == ["weight": .gradient([0, 0.5, 1])])
    let weight = recipe.sources[2].parameters["weight"]
    guard case .filtered(let entries) = weight else { return #expect(Bool(false), "\(String(describing: weight))") }
    #expect(entries.map(\.filter) == ["mlp", nil])
    #expect(entries.map(\.value) == [.number(1e-5), .number(2)])
    #expect(recipe.parameters == ["normalize": .flag(true), "lambda": .number(0.5), "int8_mask": .flag(false)])
    #expect(recipe.dtype == .f32)
    #expect(recipe.outDType == .bf16)
  }

  @Test("a base that is not listed comes last")
  func baseLast() throws {
    let recipe = try Recipe(yaml: "{merge_method: linear, base_model: b, models: [{model: x}, {model: a}]}")
    #expect(recipe.modelReferences == ["x", "a", "b"])
  }

  @Test("unknown keys are refused with the line and the nearest known key")
  func unknownKeys() {
    let error = refusal("merge_method: linear\nmodels:\n  - model: a\n    paramaters: {weight: 1}\n")
    #expect(error == .unknownKey("paramaters", place: "an entry of models", line: 4, suggestion: "parameters"))
    #expect(
      error?.description == "unknown key 'paramaters' in an entry of models (line 4), did you mean 'parameters'?")
    #expect(
      refusal("merge_metod: linear\nmodels: [{model: a}]")
        == .unknownKey("merge_metod", place: "the recipe", line: 1, suggestion: "merge_method"))
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a, weight: 1}]")
        == .unknownKey("weight", place: "an entry of models", line: 2, suggestion: nil))
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a}]\nparameters: {weigth: 1}")
        == .unknownParameter("weigth", method: "linear", line: 3, suggestion: "weight"))
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a}]\nparameters:\n  weight: {filtre: a, value: 1}")
        == .unknownKey("filtre", place: "an entry of weight", line: 4, suggestion: "filter"))
  }

  @Test("a model may have one adapter, and only something on both sides of the plus")
  func adapters() throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels:\n- model: a+lora\n- model: a")
    #expect(recipe.modelReferences == ["a+lora", "a"])
    let mapped = try Recipe(yaml: "merge_method: linear\nmodels:\n- model: {model: {path: a}, lora: {path: b}}")
    #expect(mapped.modelReferences == ["a+b"])
    #expect(AdaptedReference("./a+../b/lora")?.parts == ["./a", "../b/lora"])
    for reference in ["a+b+c", "+a", "a+"] {
      #expect(
        refusal("merge_method: linear\nmodels:\n- model: \(reference)")
          == .wrongType(
            "model", expected: "a model, or a model and an adapter as 'model+adapter'", found: "'\(reference)'", line: 3
          ))
    }
  }

  @Test("unknown methods, dtypes and repeated models are refused")
  func unknownNames() {
    #expect(
      refusal("merge_method: linaer\nmodels: [{model: a}]")
        == .unknownMethod("linaer", line: 1, suggestion: "linear"))
    #expect(
      refusal("merge_method: task_arithmetics\nmodels: [{model: a}]")
        == .unknownMethod("task_arithmetics", line: 1, suggestion: "task_arithmetic"))
    #expect(refusal("merge_method: linear\nmodels: [{model: a}]\ndtype: bf16") == .unknownDType("bf16", line: 3))
    #expect(refusal("merge_method: linear\nmodels: [{model: a}]\nout_dtype: int64") == .unknownDType("int64", line: 3))
    #expect(
      refusal("merge_method: linear\nmodels:\n- model: a\n- model: b\n- model: a") == .repeatedModel("a", line: 5))
  }

  @Test("missing parts are named")
  func missingParts() {
    #expect(refusal("") == .missingKey("merge_method", place: "the recipe", line: nil))
    #expect(refusal("models: [{model: a}]") == .missingKey("merge_method", place: "the recipe", line: nil))
    #expect(refusal("merge_method: linear") == .missingKey("models", place: "the recipe", line: nil))
    #expect(
      refusal("merge_method: linear\nmodels:\n- parameters: {weight: 1}")
        == .missingKey("model", place: "an entry of models", line: 3))
    #expect(
      refusal("merge_method: task_arithmetic\nmodels: [{model: a}]") == .missingBase(method: "task_arithmetic"))
    #expect(
      refusal("merge_method: linear\nmodels: []")
        == .wrongType("models", expected: "a list of models", found: "an empty list", line: 2))
    #expect(
      refusal("- linear") == .wrongType("the recipe", expected: "a mapping", found: "a list", line: 1))
  }

  @Test(
    "what is no finite decimal number is no weight",
    arguments: [
      "'true'", ".nan", "nan", ".inf", "1e999", "1e39", "0x10", "010", "1_000", "heavy", "[]", "''", "~",
    ])
  func badNumbers(_ value: String) {
    guard
      case .wrongType("weight", _, _, line: 4) = refusal(
        "merge_method: linear\nmodels: [{model: a}]\nparameters:\n  weight: \(value)")
    else {
      Issue.record("\(value) was accepted or refused otherwise")
      return
    }
  }

  @Test("numbers are read from plain and quoted scalars", arguments: ["0.5", "5e-1", "'5e-1'", "+.5", "\"0.5\""])
  func goodNumbers(_ value: String) throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels: [{model: a}]\nparameters:\n  weight: \(value)")
    #expect(recipe.parameters["weight"] == .number(0.5))
  }

  @Test("a truth value is a weight of 1 or 0, as in mergekit", arguments: [("true", 1.0), ("no", 0), ("on", 1)])
  func truths(_ text: String, _ value: Double) throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [\(text), 0.5]}")
    #expect(recipe.parameters["weight"] == .gradient([value, 0.5]))
  }

  @Test("an empty filter fits every tensor")
  func emptyFilter() throws {
    let recipe = try Recipe(
      yaml: "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [{filter: '', value: 2}]}")
    guard case .filtered(let entries)? = recipe.parameters["weight"] else { throw MergeError.missingInput("weight") }
    #expect(entries.map(\.filter) == [nil] && entries.map(\.value) == [.number(2)])
  }

  @Test("a model may be named by a mapping; what it says beyond the path is refused with what to do")
  func mappings() throws {
    let plain = try Recipe(yaml: "merge_method: ties\nbase_model: b\nmodels: [{model: ./a}, {model: b}]")
    let mapped = try Recipe(
      yaml: """
        merge_method: ties
        base_model: {model: b}
        models:
        - model: {model: {path: ./a, revision: }}
        - model:
            model: {path: b}
            lora: null
        """)
    #expect(mapped.modules == plain.modules && mapped.base == plain.base)
    func refused(_ model: String) -> String? {
      refusal("merge_method: linear\nmodels:\n- model: \(model)")?.description
    }
    #expect(
      refused("{model: {path: a, revision: main}}")
        == "'revision' of 'a' (line 3): expected none: import that revision and name the import, found 'main'")
    #expect(refused("{model: {pat: a}}") == "unknown key 'pat' in model (line 3), did you mean 'path'?")
    #expect(refused("{path: a}") == "unknown key 'path' in model (line 3)")
    #expect(refused("{model: a, override_architecture: X}")?.contains("'override_architecture' (line 3)") == true)
  }

  @Test("anchors and merge keys: own entries hold, then those of the mapping listed first")
  func mergeKeys() throws {
    let written = try Recipe(
      yaml: """
        merge_method: ties
        base_model: b
        models:
        - &first
          model: a
          parameters: &all {weight: 1, density: 0.25}
        - <<: *first
          model: c
        - model: d
          parameters:
            <<: [{density: 0.5}, *all]
            weight: 2
        """)
    let density = written.sources.map { $0.parameters["density"] }
    #expect(written.modelReferences == ["a", "c", "d", "b"])
    #expect(density == [.number(0.25), .number(0.25), .number(0.5), nil])
    #expect(written.sources[2].parameters["weight"] == .number(2))
    #expect(
      refusal("merge_method: linear\nmodels:\n- {<<: 3, model: a}")
        == .wrongType("<<", expected: "a mapping or a list of mappings", found: "'3'", line: 3))
    #expect(
      refusal("merge_method: linear\nmodels:\n- {<<: {modell: a}}")
        == .unknownKey("modell", place: "an entry of models", line: 3, suggestion: "model"))
  }

  @Test("flags may be written as 0 and 1", arguments: [("0", false), ("1", true), ("no", false), ("True", true)])
  func flags(_ text: String, _ value: Bool) throws {
    let recipe = try Recipe(yaml: "{merge_method: linear, models: [{model: a}], parameters: {normalize: \(text)}}")
    #expect(recipe.parameters["normalize"] == .flag(value))
  }

  @Test("flags are flags, parameters stand where they work, unknown ones are named")
  func misplaced() {
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a}]\nparameters: {normalize: 2}")
        == .wrongType("normalize", expected: "true or false", found: "'2'", line: 3))
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a, parameters: {normalize: true}}]")
        == .globalParameterOnModel("normalize", model: "a", line: 2))
    #expect(
      refusal("merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: a, parameters: {densty: 1}}]")
        == .unknownParameter("densty", method: "task_arithmetic", line: 3, suggestion: "density"))
  }

  @Test(
    "broken YAML is one error, whatever is broken",
    arguments: [
      "merge_method: [", "a: 1\na: 2", "a: b: c", "\t", "--- 1\n--- 2", "*x", "{{}: 1}", "&a [*a]",
    ])
  func broken(_ yaml: String) {
    let error = refusal(yaml)
    #expect(error != nil)
    #expect(error?.description.contains("\n") == false)
  }

  @Test("deep nesting is refused instead of exhausting the stack")
  func deep() {
    #expect(refusal(String(repeating: "[", count: 100_000)) != nil)
    #expect(refusal(String(repeating: "[", count: 900) + String(repeating: "]", count: 900)) != nil)
  }
}
