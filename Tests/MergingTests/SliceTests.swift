import Merging
import Tensors
import Testing

/// A model with so many layers of two tensors each, an embedding, a norm and a head.
private func llama(_ reference: String, layers: Int, prefix: String = "") -> ModelInput {
  let own = (0..<layers).flatMap { [("model.layers.\($0).mlp.w", [2]), ("model.layers.\($0).attn.w", [3])] }
  let all = own + [("model.embed_tokens.weight", [4]), ("model.norm.weight", [2]), ("lm_head.weight", [4])]
  return model(reference, all.map { (prefix + $0.0, $0.1) })
}

private let two = [llama("a", layers: 3), llama("b", layers: 4)]

private func planned(_ yaml: String, _ inputs: [ModelInput] = two) throws -> Plan {
  try Planner.plan(recipe: Recipe(yaml: yaml), inputs: inputs)
}

private func refusal(_ yaml: String, _ inputs: [ModelInput] = []) -> MergeError? {
  do {
    _ = try planned(yaml, inputs)
    return nil
  } catch {
    return error as? MergeError
  }
}

/// Where an output tensor comes from: `model:tensor` for each input.
private func origin(_ plan: Plan, _ name: String) -> [String] {
  plan.tensors.first { $0.name == name }?.inputs.map { "\(plan.inputs[$0.model]):\($0.tensor)" } ?? []
}

private func weights(_ plan: Plan, _ name: String) -> [Double]? {
  plan.tensors.first { $0.name == name }?.method.perInput["weight"]
}

private let stacked = """
  merge_method: passthrough
  slices:
    - sources: [{model: a, layer_range: [0, 3]}]
    - sources: [{model: b, layer_range: [1, 3]}]
    - sources: [{model: a, layer_range: [2, 3]}]
  """

@Suite struct SliceTests {
  @Test("layers are stacked and numbered anew; embeddings come from the first slice, norm and head from the last")
  func stacking() throws {
    let plan = try planned(stacked)
    #expect(plan.inputs == ["a", "b"])
    #expect(plan.tensors.count == 6 * 2 + 3)
    let layers = (0..<6).map { origin(plan, "model.layers.\($0).mlp.w") }
    #expect(
      layers == [
        ["a:model.layers.0.mlp.w"], ["a:model.layers.1.mlp.w"], ["a:model.layers.2.mlp.w"],
        ["b:model.layers.1.mlp.w"], ["b:model.layers.2.mlp.w"], ["a:model.layers.2.mlp.w"],
      ])
    let swapped = stacked.replacing("model: a, layer_range: [2, 3]", with: "model: b, layer_range: [2, 3]")
    let other = try planned(swapped)
    #expect(origin(other, "model.embed_tokens.weight") == ["a:model.embed_tokens.weight"])
    #expect(origin(other, "model.norm.weight") == ["b:model.norm.weight"])
    #expect(origin(other, "lm_head.weight") == ["b:lm_head.weight"])
    #expect(other.tensors.map(\.name) == other.tensors.map(\.name).sorted())
  }

  @Test("a slice of no layers gives only what lies outside layers; no layer at all is refused")
  func emptyRanges() throws {
    let yaml = """
      merge_method: passthrough
      slices:
        - sources: [{model: b, layer_range: [1, 1]}]
        - sources: [{model: a, layer_range: [0, 3]}]
        - sources: [{model: b, layer_range: [0, 0]}]
      """
    let plan = try planned(yaml)
    #expect(plan.tensors.count == 3 * 2 + 3)
    #expect(origin(plan, "model.embed_tokens.weight") == ["b:model.embed_tokens.weight"])
    #expect(origin(plan, "model.norm.weight") == ["b:model.norm.weight"])
    #expect((0..<3).allSatisfy { origin(plan, "model.layers.\($0).mlp.w") == ["a:model.layers.\($0).mlp.w"] })
    #expect(
      refusal("merge_method: passthrough\nslices:\n- sources: [{model: a, layer_range: [2, 2]}]", two)
        == .misfit(place: "slices", expected: "at least one layer", found: "none", line: 3))
  }

  @Test("a gradient runs over the layers of its slice, is 1 in a single layer and 0 outside layers")
  func gradients() throws {
    let plan = try planned(
      """
      merge_method: linear
      parameters: {normalize: false}
      slices:
        - sources:
            - {model: a, layer_range: [0, 3], parameters: {weight: [0, 4]}}
            - {model: b, layer_range: [1, 4], parameters: {weight: 9}}
        - sources:
            - {model: b, layer_range: [0, 1], parameters: {weight: [5, 6]}}
            - {model: a, layer_range: [2, 3], parameters: {weight: 8}}
      """)
    #expect((0..<4).map { weights(plan, "model.layers.\($0).mlp.w") } == [[0, 9], [2, 9], [4, 9], [6, 8]])
    #expect(weights(plan, "model.embed_tokens.weight") == [0, 9])
    #expect(weights(plan, "lm_head.weight") == [5, 8])
    #expect(origin(plan, "model.layers.1.attn.w") == ["a:model.layers.1.attn.w", "b:model.layers.2.attn.w"])
  }

  @Test("source values win over the slice's, the slice's over the recipe's")
  func precedence() throws {
    let plan = try planned(
      """
      merge_method: linear
      parameters: {weight: 1, normalize: true}
      slices:
        - sources:
            - {model: a, layer_range: [0, 1], parameters: {weight: {filter: mlp, value: 3}}}
            - {model: b, layer_range: [0, 1]}
          parameters: {weight: {filter: layers, value: 2}, normalize: false}
          residual_weight: 0.5
      """)
    #expect(weights(plan, "model.layers.0.mlp.w") == [3, 2])
    #expect(weights(plan, "model.layers.0.attn.w") == [2, 2])
    #expect(weights(plan, "lm_head.weight") == [1, 1])
    #expect(plan.tensors.allSatisfy { $0.method.settings["normalize"] == 0 })
  }

  @Test("filters of model parameters see the input's name, those of shared parameters the output's")
  func filterNames() throws {
    let plan = try planned(
      """
      merge_method: linear
      parameters:
        weight: [{filter: layers.2, value: 7}, {value: 1}]
        normalize: [{filter: layers.0, value: false}, {value: true}]
      slices: [{sources: [{model: a, layer_range: [2, 3]}]}]
      """)
    #expect(weights(plan, "model.layers.0.mlp.w") == [7])
    #expect(plan.tensors.first { $0.name == "model.layers.0.mlp.w" }?.method.settings["normalize"] == 0)
    #expect(plan.tensors.first { $0.name == "lm_head.weight" }?.method.settings["normalize"] == 1)
  }

  @Test("one model may be several sources, each with its own layers; a slice may have its own base")
  func repeats() throws {
    let twice = """
      merge_method: task_arithmetic
      slices:
        - sources:
            - {model: a, layer_range: [0, 2]}
            - {model: b, layer_range: [0, 2], parameters: {weight: 0.5}}
            - {model: b, layer_range: [1, 3], parameters: {weight: 0.25}}
          base_model: a
      """
    let plan = try planned(twice)
    #expect(
      origin(plan, "model.layers.1.mlp.w")
        == ["a:model.layers.1.mlp.w", "b:model.layers.1.mlp.w", "b:model.layers.2.mlp.w"])
    #expect(weights(plan, "model.layers.1.mlp.w") == [0.5, 0.25])
    #expect(plan.tensors.allSatisfy { $0.method.base == 0 })
    #expect(
      refusal(
        twice.replacing("base_model: a", with: "base_model: c"),
        [llama("a", layers: 3), llama("b", layers: 4), llama("c", layers: 3)])
        == .misfit(
          place: "a slice of method task_arithmetic", expected: "the base model 'c' among its sources",
          found: "'a', 'b', 'b'", line: nil))
  }

  @Test("ranges that do not fit are refused with what was expected")
  func ranges() {
    let unequal = """
      merge_method: linear
      slices:
        - sources:
            - {model: a, layer_range: [0, 3]}
            - {model: b, layer_range: [0, 2]}
      """
    #expect(
      refusal(unequal)
        == .misfit(
          place: "slice 1, model 'b'", expected: "3 layers as of model 'a'", found: "2", line: 5))
    #expect(
      refusal(unequal)?.description == "slice 1, model 'b' (line 5): expected 3 layers as of model 'a', found 2")
    #expect(
      refusal(stacked, [llama("a", layers: 3), llama("b", layers: 2)])
        == .misfit(
          place: "slice 2, layer_range of model 'b'", expected: "at most the model's 2 layers", found: "[1, 3)",
          line: nil))
    for range in ["[3, 2]", "[-1, 2]", "[0]", "3", "[0, x]"] {
      let yaml = "merge_method: linear\nslices:\n- sources:\n  - {model: a, layer_range: \(range)}"
      guard case .wrongType("layer_range", _, _, line: 4) = refusal(yaml) else {
        Issue.record("\(range): \(String(describing: refusal(yaml)))")
        continue
      }
    }
    #expect(
      refusal("merge_method: linear\nslices:\n- sources:\n  - {model: a}")
        == .missingKey("layer_range", place: "a source of slice 1", line: 4))
    #expect(
      refusal("merge_method: linear\nslices:\n- source: [{model: a}]")
        == .unknownKey("source", place: "slice 1", line: 3, suggestion: "sources"))
    #expect(
      refusal("merge_method: linear\nmodels: [{model: a}]\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}]")
        == .misfit(
          place: "the recipe", expected: "one of 'models', 'slices' and 'modules'", found: "more", line: 3))
  }

  @Test("a layer that lacks a tensor is refused by the tensor's name there")
  func lacking() {
    let odd = model(
      "b", [("model.layers.0.mlp.w", [2]), ("model.layers.0.attn.w", [3]), ("model.layers.1.mlp.w", [2])])
    let yaml = """
      merge_method: linear
      slices:
        - sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [1, 2]}]
      """
    let small = model("a", [("model.layers.0.mlp.w", [2]), ("model.layers.0.attn.w", [3])])
    #expect(refusal(yaml, [small, odd]) == .missingTensor("model.layers.1.attn.w", lacking: "b", having: "a"))
  }

  @Test(
    "layers are found by their names, experts inside them",
    arguments: [
      "model.layers", "transformer.h", "encoder.layer", "gpt_neox.layers", "vision_model.encoder.layers",
      "transformer.blocks",
    ])
  func stackNames(_ stack: String) throws {
    let names = ["\(stack).0.mlp.experts.3.w", "\(stack).1.mlp.experts.3.w", "wte.weight", "final.bias"]
    let yaml = """
      merge_method: passthrough
      slices: [{sources: [{model: a, layer_range: [1, 2]}]}, {sources: [{model: a, layer_range: [0, 2]}]}]
      """
    let plan = try Planner.plan(recipe: Recipe(yaml: yaml), inputs: [model("a", names.map { ($0, [1]) })])
    #expect(
      (0..<3).map { origin(plan, "\(stack).\($0).mlp.experts.3.w") } == [
        ["a:\(stack).1.mlp.experts.3.w"], ["a:\(stack).0.mlp.experts.3.w"], ["a:\(stack).1.mlp.experts.3.w"],
      ])
    #expect(plan.tensors.count == 5)
  }

  @Test("several stacks need modules, which take the tensors that have their name as a part")
  func modules() throws {
    let vision = ["patch_embed.w", "layers.0.w", "layers.1.w", "norm.w"].map { ("model.vision_tower.\($0)", [2]) }
    let text = llama("a", layers: 3).tensors.map { ($0.name, $0.shape.dimensions) }
    let both = model("a", vision + text)
    let plain = "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}]"
    #expect(
      refusal(plain, [both])
        == .misfit(
          place: "model 'a'", expected: "one stack of layers for 'slices' ('modules' chooses among several)",
          found: "'model.layers' (3 layers), 'model.vision_tower.layers' (2 layers)", line: nil))
    let yaml = """
      merge_method: passthrough
      modules:
        vision_tower:
          models: [{model: a}]
          parameters: {scale: 2}
        text_decoder:
          slices:
            - sources: [{model: a, layer_range: [0, 2], parameters: {scale: 3}}]
            - sources: [{model: a, layer_range: [1, 3]}]
      """
    let plan = try planned(yaml, [both])
    #expect(plan.tensors.count == 4 + 4 * 2 + 3)
    #expect(origin(plan, "model.layers.3.mlp.w") == ["a:model.layers.2.mlp.w"])
    func scale(_ name: String) -> [Double]? { plan.tensors.first { $0.name == name }?.method.perInput["scale"] }
    #expect(scale("model.vision_tower.layers.1.w") == [2])
    #expect(scale("model.layers.0.mlp.w") == [3])
    #expect(scale("lm_head.weight") == nil)
    #expect(
      refusal(yaml.replacing("vision_tower", with: "vision_towel"), [both])
        == .misfit(
          place: "modules",
          expected: "a name that is part of a stack of layers: 'model.layers' (3 layers), "
            + "'model.vision_tower.layers' (2 layers)",
          found: "'vision_towel'", line: nil))
    #expect(
      refusal("merge_method: passthrough\nmodules: {vision_tower: {models: [{model: a}]}}", [both])
        == .misfit(
          place: "modules",
          expected: "a module for the stack 'model.layers' ('text_decoder' takes what others leave)",
          found: "'vision_tower'", line: nil))
  }

  @Test("stemma's own keys reach the methods that prune at random, unknown ones are refused")
  func settings() throws {
    let yaml = """
      merge_method: dare_ties
      base_model: a
      models: [{model: b, parameters: {weight: 1, density: 0.5}}]
      stemma: {seed: 7, rescale: paper}
      """
    let inputs = [llama("a", layers: 1), llama("b", layers: 1)]
    let random = try planned(yaml, inputs)
    #expect(random.tensors.allSatisfy { $0.method.settings["seed"] == 7 && $0.method.settings["rescale_paper"] == 1 })
    let plain = try planned(yaml.replacing("dare_ties", with: "ties"), inputs)
    #expect(plain.tensors.allSatisfy { $0.method.settings["seed"] == nil })
    #expect(
      refusal(yaml.replacing("seed", with: "sead"), inputs)
        == .unknownKey("sead", place: "stemma", line: 4, suggestion: "seed"))
    #expect(
      refusal(yaml.replacing("paper", with: "l2"), inputs)
        == .wrongType("rescale", expected: "l1 or paper", found: "'l2'", line: 4))
    #expect(
      refusal(yaml.replacing("7", with: "-7"), inputs)
        == .wrongType("seed", expected: "a whole number from 0 to 4294967295", found: "'-7'", line: 4))
  }
}
