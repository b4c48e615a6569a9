import Foundation
import Merging
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// Two layers, an embedding and a norm.
private func two(_ tune: UInt64) -> [Stage.Content] {
  let first = Stage.model(seed: 3, tune: tune)
  let second = Stage.Content(
    name: "model.layers.1.mlp.weight", dtype: .bf16, shape: [64, 64],
    bytes: Stage.weights(64 * 64, seed: 9, tune: tune))
  return first + [second]
}

private func linear(_ name: String?, _ models: String...) -> String {
  let list = models.map { "{model: \($0), parameters: {weight: 0.5}}" }.joined(separator: ", ")
  return (name.map { "name: \($0)\n" } ?? "") + "merge_method: linear\nmodels: [\(list)]\n"
}

@Suite struct FusedFilesTests {
  private let config = """
    {"b": 1e-05, "c": 0.0, "d\\"": "[{", "num_hidden_layers": 2, "torch_dtype": "bfloat16",
      "vision_config": {"num_hidden_layers": 7}, "a": [1, {"num_layers": 1}, 3]}

    """

  private func files(_ config: String, _ recipe: String) throws -> [String: String] {
    let names = ["model.layers.0.w", "model.layers.1.w", "model.norm.w"]
    let input = ModelInput(
      reference: "a", tensors: names.map { TensorInput(name: $0, dtype: .bf16, shape: Shape([4])) })
    let recipe = try Recipe(yaml: recipe)
    let plan = try Planner.plan(recipe: recipe, inputs: [input])
    let files = ModelFiles(reference: "a", paths: ["config.json", "README.md"]) { _ in Array(config.utf8) }
    let layout = try FusedLayout(
      plan: plan, recipe: recipe, models: [MergeSource(input: input, files: files)], vocabulary: nil)
    #expect(layout.takenOver.contains("config.json") != layout.made.contains { $0.path == "config.json" })
    #expect(!layout.takenOver.contains("README.md"))
    return Dictionary(uniqueKeysWithValues: layout.made.map { ($0.path, String(decoding: $0.bytes, as: UTF8.self)) })
  }

  private let stacked = """
    merge_method: linear
    parameters: {weight: 1}
    slices:
      - sources: [{model: a, layer_range: [0, 2]}]
      - sources: [{model: a, layer_range: [1, 2]}]
    """

  @Test("the configuration is taken over byte for byte where a recipe changes nothing")
  func configKept() throws {
    #expect(try files(config, linear(nil, "a"))["config.json"] == nil)
  }

  @Test("a recipe that stacks layers sets the text model's layer count, and a new dtype is said")
  func configEdited() throws {
    let edited = try #require(try files(config, stacked + "\ndtype: float32")["config.json"])
    #expect(
      edited
        == config.replacing("layers\": 2", with: "layers\": 3").replacing("bfloat16", with: "float32"))
    let nested = try #require(try files("{\"text_config\": {\"n_layer\": 2}}", stacked)["config.json"])
    #expect(nested.contains("\"n_layer\": 3"))
    #expect(try files("{\"num_layers\": 3}", stacked)["config.json"] == nil)
    // Models that are merged whole keep whatever count the donor states.
    #expect(try files("{\"num_layers\": 9}", linear(nil, "a"))["config.json"] == nil)
  }

  @Test("the card names models, method and recipe; paths are no base_model; it can be left out")
  func card() throws {
    let recipe = try Recipe(yaml: linear(nil, "org/model", "./path", "x") + "# ```\n")
    let lines = ModelCard.text(recipe).split(separator: "\n", omittingEmptySubsequences: false)
    #expect(
      lines.prefix(9) == [
        "---", "base_model:", "- org/model", "- 'x'", "library_name: transformers", "tags:", "- mergekit", "- merge",
        "---",
      ])
    #expect(lines.contains("Merged by the method `linear`."))
    #expect(lines.contains("- `./path`"))
    #expect(lines.filter { $0.hasPrefix("````") } == ["````yaml", "````"])
    #expect(ModelCard.text(recipe).hasSuffix("````yaml\n\(recipe.text)````\n"))

    let stage = try Stage()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      let path = try stage.write(name, two(tune))
      try Data("# \(name)\n".utf8).write(to: URL(fileURLWithPath: path + "/README.md"))
    }
    let text = linear(nil, "./one", "./two")
    for (out, options) in [("with", MergeOptions()), ("without", MergeOptions(writesCard: false))] {
      _ = try Repository.merge(
        recipe: text, relativeTo: stage.folder.path, to: "\(stage.folder.path)/\(out)", options: options)
    }
    let written = try String(contentsOfFile: "\(stage.folder.path)/with/README.md", encoding: .utf8)
    #expect(written == ModelCard.text(try Recipe(yaml: text)))
    #expect(stage.holds("with/mergekit_config.yml") && !stage.holds("without/README.md"))
  }

  @Test("steps are run one after the other, the last is named, those between are virtual and without a name")
  func steps() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5), ("three", 7)] {
      _ = try store.importCheckpoint(at: try stage.write(name, two(tune)), name: name, base: nil)
    }
    let text = linear(nil, "middle", "three") + "---\n" + linear("middle", "one", "two")
    let before = try store.stats().models
    let report = try store.merge(recipe: text, relativeTo: "/", name: "fused")
    #expect(try store.stats().models == before + 2)
    _ = try store.merge(recipe: linear("middle", "one", "two"), relativeTo: "/", name: "middle")
    _ = try store.merge(recipe: linear(nil, "middle", "three"), relativeTo: "/", name: "apart")
    let weights = try ["fused", "apart"].map { name in
      _ = try store.export(name, to: "\(stage.folder.path)/out-\(name)")
      return try Data(contentsOf: URL(fileURLWithPath: "\(stage.folder.path)/out-\(name)/model.safetensors"))
    }
    #expect(weights[0] == weights[1] && report.state == "virtual")
    let plan = try store.plan(recipe: text, relativeTo: "/").text
    #expect(plan.hasPrefix("step middle\n\n") && plan.contains("\n\nstep the result\n\n"))
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("an unknown step is not found, and nothing is imported")
  func refusedSteps() throws {
    let stage = try Stage()
    let text = linear("middle", "./one", "./two") + "---\n" + linear(nil, "middle", "./one")
    for name in ["one", "two"] { try stage.write(name, two(name == "two" ? 3 : 0)) }
    let missing = #expect(throws: RepositoryError.self) {
      _ = try stage.open().merge(
        recipe: text.replacing("[{model: middle", with: "[{model: midle"), relativeTo: stage.folder.path, name: "x")
    }
    #expect(missing?.kind == .notFound)
    #expect(try stage.open().stats().models == 0)
  }
}
