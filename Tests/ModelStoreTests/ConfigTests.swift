import JSON
import Merging
import Tensors
import Testing

@testable import ModelStore

private func inputs(_ layers: [String: Int]) -> [ModelInput] {
  layers.sorted { $0.key < $1.key }.map { reference, layers in
    let names = (0..<layers).map { "model.layers.\($0).w" } + ["model.embed_tokens.weight", "model.norm.w"]
    return ModelInput(
      reference: reference, tensors: names.map { TensorInput(name: $0, dtype: .bf16, shape: Shape([4])) })
  }
}

/// The configuration that a recipe makes of the donor's; the same where nothing changes.
private func edited(_ config: String, _ yaml: String, _ models: [ModelInput]) throws -> String {
  let recipe = try Recipe(yaml: yaml)
  let used = models.filter { recipe.modelReferences.contains($0.reference) }
  let plan = try Planner.plan(recipe: recipe, inputs: used)
  let edits = ConfigEdits(plan, recipe, donor: recipe.base.flatMap { plan.inputs.firstIndex(of: $0) } ?? 0)
  return String(decoding: try edits.apply(to: Array(config.utf8)) ?? Array(config.utf8), as: UTF8.self)
}

@Suite("config.json of a fused model") struct ConfigTests {
  private let stacked = """
    merge_method: passthrough
    slices:
      - sources: [{model: a, layer_range: [0, 3]}]
      - sources: [{model: b, layer_range: [1, 2]}]
      - sources: [{model: a, layer_range: [3, 4]}]
      - sources: [{model: a, layer_range: [2, 2]}]
    """
  private let models = inputs(["a": 4, "b": 4])

  @Test("lists with one entry a layer follow the order of layers, all else stays byte for byte")
  func lists() throws {
    let config = """
      {"architectures": ["X"], "eos_token_id": [1, 2, 3, 4], "num_hidden_layers": 4,
        "layer_types": [
          "full_attention",
          "sliding_attention",
          "linear",
          "other"
        ], "no_rope_layers": [1,0,2,3], "short": [1, 2], "nested": {"layer_types": [1, 2, 3, 4]},
        "block_configs": [{"a": [1]}, {"a": [2, "]"]}, {}, null], "empty": [], "last": true}

      """
    let expected =
      config
      .replacing("_layers\": 4", with: "_layers\": 5")
      .replacing("\"linear\",\n", with: "\"linear\",\n    \"sliding_attention\",\n")
      .replacing("[1,0,2,3]", with: "[1,0,2,0,3]")
      .replacing("{}, null", with: "{}, {\"a\": [2, \"]\"]}, null")
    let found = try edited(config, stacked, models)
    #expect(found == expected)
    #expect(throws: Never.self) { try JSONValue.parse(Array(found.utf8)) }
    let text = "{\"text_config\": {\"layer_types\": [5, 6, 7, 8], \"n_layers\": 4}, \"num_hidden_layers\": 9}"
    #expect(
      try edited(text, stacked, models)
        == "{\"text_config\": {\"layer_types\": [5, 6, 7, 6, 8], \"n_layers\": 5}, \"num_hidden_layers\": 5}")
  }

  @Test("with several models in a slice the donor's layers count, wherever it stands")
  func donor() throws {
    let yaml = """
      merge_method: linear
      base_model: b
      parameters: {weight: 1}
      slices:
        - sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [2, 4]}]
      """
    #expect(
      try edited("{\"num_layers\": 4, \"x\": [0, 1, 2, 3]}", yaml, models) == "{\"num_layers\": 2, \"x\": [2, 3]}")
    #expect(try edited("{\"num_layers\": 4, \"x\": [7]}", yaml, models) == "{\"num_layers\": 2, \"x\": [7]}")
  }

  @Test("whole models and slices in their own order keep every list, however it is written")
  func kept() throws {
    let config = "{\"num_layers\": 4, \"x\": [0,  1,\n2, 3 ]}"
    let whole = "merge_method: passthrough\nmodels: [{model: a}]"
    #expect(try edited(config, whole, models) == config)
    let same = "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 4]}]}]"
    #expect(try edited(config, same, models) == config)
  }

  @Test("a layer that the donor's lists have no entry for is refused with what to do")
  func beyond() throws {
    let yaml =
      "merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 2]}]\n"
      + "- sources: [{model: b, layer_range: [3, 4]}]"
    let error = #expect(throws: RepositoryError.self) {
      try edited("{\"num_layers\": 2, \"layer_types\": [1, 2]}", yaml, inputs(["a": 2, "b": 4]))
    }
    #expect(
      error?.message == "config.json: 'layer_types' has an entry for each of 2 layers, none for layer 3 that the "
        + "recipe takes")
    #expect(error?.hint == "name as base_model the model that has most layers")
  }

  @Test("a donor that ties its head to the embedding is told otherwise where the fused model has a head of its own")
  func untied() throws {
    let config = "{\"tie_word_embeddings\": true, \"text_config\": {\"tie_word_embeddings\": true}}"
    let yaml = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a}, {model: b}]"
    #expect(try edited(config, yaml, models) == config)
    let head = TensorInput(name: "lm_head.weight", dtype: .bf16, shape: Shape([4]))
    let own = ModelInput(reference: "b", tensors: models[1].tensors + [head])
    #expect(try edited(config, yaml, [models[0], own]) == config.replacing("true", with: "false"))
    #expect(
      try edited("{\n  \"x\": 1\n}", yaml, [models[0], own]) == "{\n  \"tie_word_embeddings\": false,\n  \"x\": 1\n}")
    let stack =
      "merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [0, 2]}]\n"
      + "- sources: [{model: b, layer_range: [2, 4]}]"
    #expect(try edited(config, stack, [models[0], own]) == config.replacing("true", with: "false"))
    let donor = ModelInput(reference: "a", tensors: models[0].tensors + [head])
    #expect(try edited(config, yaml, [donor, models[1]]) == config)
  }
}
