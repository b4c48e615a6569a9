import Foundation
import JSON
import Merging
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// Folders of models, and recipes of several steps on them.
private struct Steps {
  let stage: Stage
  /// A recipe for each step, the last without a name; steps are `first`, `second`, folders `./one`, `./two`, `./three`.
  let recipes: [String]

  /// - Parameter rows: of the embedding.
  init(_ recipes: [String], rows: Int = 64) throws {
    stage = try Stage()
    self.recipes = recipes
    for (name, tune) in [("one", UInt64(0)), ("two", 5), ("three", 7)] {
      try stage.write(name, Stage.model(seed: 3, tune: tune, rows: rows))
    }
  }

  var text: String { recipes.joined(separator: "---\n") }
  var folder: String { stage.folder.path }

  func merge(_ text: String, to out: String, _ options: MergeOptions, threads: Int = 2) throws {
    _ = try Repository.merge(
      recipe: text, relativeTo: folder, to: "\(folder)/\(out)", options: options, threads: threads)
  }

  /// Merges each step to a folder of its name, the last to `apart`.
  func mergeApart(_ options: MergeOptions) throws {
    for recipe in recipes {
      var text = recipe
      for name in ["first", "second"] {
        text = text.replacing("name: \(name)\n", with: "").replacing("model: \(name)", with: "model: ./\(name)")
      }
      let name = recipe.hasPrefix("name: ") ? recipe.dropFirst(6).prefix { $0 != "\n" } : "apart"
      try merge(text, to: String(name), options)
    }
  }

  func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(path)")) }
}

@Suite("recipes of several steps without a store")
struct StepTests {
  /// Each level measures whole tensors, prunes at random or both; dtypes change on the way.
  private let three = [
    """
    name: first
    merge_method: dare_ties
    base_model: ./one
    models:
      - {model: ./two, parameters: {weight: 0.7, density: 0.6}}
      - {model: ./three, parameters: {weight: 0.6, density: 0.4}}
    dtype: bfloat16

    """,
    """
    name: second
    merge_method: slerp
    base_model: first
    models: [{model: first}, {model: ./three}]
    parameters: {t: 0.3}
    out_dtype: float16

    """,
    """
    merge_method: ties
    base_model: first
    models:
      - {model: second, parameters: {weight: 0.8, density: 0.5}}
      - {model: ./two, parameters: {weight: 0.5, density: 0.7}}
    dtype: bfloat16

    """,
  ]

  @Test(
    "come to the same bytes as steps that are merged to folders one by one, on any number of threads",
    arguments: [MergeOptions(), MergeOptions(arithmetic: "mergekit-0.1.5", seed: 42)])
  func sameBytes(options: MergeOptions) throws {
    // The embedding has more than two blocks.
    let steps = try Steps(three, rows: 20_000)
    try steps.mergeApart(options)
    for threads in [1, 3] {
      try steps.merge(steps.text, to: "out\(threads)", options, threads: threads)
      #expect(try steps.bytes("out\(threads)/model.safetensors") == steps.bytes("apart/model.safetensors"))
      #expect(try steps.bytes("out\(threads)/config.json") == steps.bytes("apart/config.json"))
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: steps.folder + "/out1").sorted()
    #expect(names == ["README.md", "config.json", "mergekit_config.yml", "model.safetensors"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: steps.folder).allSatisfy { !$0.hasPrefix(".out") })
  }

  @Test("a step sees the configuration that the one before it would have written")
  func configuration() throws {
    let steps = try Steps([
      """
      name: first
      merge_method: passthrough
      slices:
        - sources: [{model: ./one, layer_range: [0, 1]}]
        - sources: [{model: ./two, layer_range: [0, 1]}]
      dtype: float32

      """,
      """
      name: second
      merge_method: passthrough
      slices:
        - sources: [{model: first, layer_range: [0, 2]}]
        - sources: [{model: first, layer_range: [1, 2]}]

      """,
      "merge_method: linear\nmodels: [{model: second, parameters: {weight: 0.5}}]\ndtype: float16\n",
    ])
    for name in ["one", "two", "three"] {
      let config = #"{"num_hidden_layers": 1, "kinds": ["\#(name)"], "torch_dtype": "bfloat16"}"#
      try Data(config.utf8).write(to: URL(fileURLWithPath: "\(steps.folder)/\(name)/config.json"))
    }
    try steps.mergeApart(MergeOptions())
    try steps.merge(steps.text, to: "out", MergeOptions())
    #expect(try steps.bytes("out/model.safetensors") == steps.bytes("apart/model.safetensors"))
    let config = String(decoding: try steps.bytes("out/config.json"), as: UTF8.self)
    #expect(config == #"{"num_hidden_layers": 3, "kinds": ["one", "one", "one"], "torch_dtype": "float16"}"#)
    #expect(try steps.bytes("apart/config.json") == steps.bytes("out/config.json"))
  }

  @Test("in a store the same recipes come to the same weights, and what is virtual is read through all levels")
  func store() throws {
    let steps = try Steps(three)
    try steps.merge(steps.text, to: "out", MergeOptions())
    let store = try steps.stage.open()
    _ = try store.merge(recipe: steps.text, relativeTo: steps.folder, name: "fused")
    _ = try store.export("fused", to: steps.folder + "/exported")
    #expect(try steps.bytes("exported/model.safetensors") == steps.bytes("out/model.safetensors"))
    #expect(try steps.bytes("exported/config.json") == steps.bytes("out/config.json"))
  }

  @Test("a range through three levels of a store reads little, and plans count the memory of all levels")
  func range() throws {
    let rows = 200_000
    let average = "merge_method: linear\ndtype: bfloat16\nmodels: "
    let weighed = { (a: String, b: String) in
      "[{model: \(a), parameters: {weight: 0.3}}, {model: \(b), parameters: {weight: 0.7}}]\n"
    }
    let steps = try Steps(
      [
        "name: first\n" + average + weighed("./one", "./two"), "name: second\n" + average + weighed("first", "./three"),
        average + weighed("second", "first"),
      ], rows: rows)
    _ = try steps.stage.open().merge(recipe: steps.text, relativeTo: steps.folder, name: "fused")
    let disk = ReadingDisk()
    let store = try steps.stage.open(storage: disk)
    var found: [UInt8] = []
    let part = ModelPart.tensor("model.embed_tokens.weight")
    try store.readRange("fused", of: part, from: 6_000_000, to: 6_065_536) { found += Array($0) }
    // Five times a block of two inputs or three, and of the bases that they are deltas on: 12.8 MB a tensor.
    #expect(disk.packBytes > 0 && disk.packBytes < 6_000_000, "\(disk.packBytes) bytes read")
    try steps.merge(steps.text, to: "out", MergeOptions())
    let whole = try steps.bytes("out/model.safetensors")
    #expect(found.count == 65_536 && whole.range(of: Data(found)) != nil)

    let peaks = try ["./one", "fused"].map { name in
      try #require(
        try store.plan(recipe: average + weighed(name, "./three"), relativeTo: steps.folder).json["peak_memory"]?.int)
    }
    #expect(peaks[1] > peaks[0] + 2_000_000)
    let list = try #require(
      try Repository.plan(recipe: steps.text, relativeTo: steps.folder).json["steps"]?.elements)
    let rising = list.compactMap { $0["plan"]?["peak_memory"]?.int }
    #expect(rising.count == 3 && rising[0] < rising[1] && rising[1] < rising[2])
  }

  @Test("what no later step reads is not computed; what is read and is not finite is refused, and nothing is left")
  func refusals() throws {
    let steps = try Steps([
      """
      name: first
      merge_method: ties
      base_model: ./one
      models: [{model: ./two, parameters: {weight: 1, density: 0.5}}]

      """,
      """
      merge_method: passthrough
      slices: [{sources: [{model: first, layer_range: [0, 1]}]}]

      """,
    ])
    var content = Stage.model(seed: 3, tune: 5)
    content.append(
      Stage.Content(name: "model.layers.1.mlp.weight", dtype: .bf16, shape: [64, 64], bytes: content[1].bytes))
    let nan: [UInt8] = [0xC0, 0x7F]
    content[3] = Stage.Content(
      name: content[3].name, dtype: .bf16, shape: [64, 64], bytes: nan + content[3].bytes.dropFirst(2))
    for name in ["one", "two"] { try steps.stage.write(name, content) }
    try steps.merge(steps.text, to: "out", MergeOptions())
    let whole = steps.text.replacing("layer_range: [0, 1]", with: "layer_range: [0, 2]")
    let error = #expect(throws: RepositoryError.self) { try steps.merge(whole, to: "other", MergeOptions()) }
    #expect(error?.message.contains("model.layers.1.mlp.weight") == true && error?.message.contains("./two") == true)
    #expect(!steps.stage.holds("other"))
    let missing = #expect(throws: RepositoryError.self) {
      try steps.merge(steps.text.replacing("model: first", with: "model: frist"), to: "other", MergeOptions())
    }
    #expect(missing?.message.contains("frist") == true && !steps.stage.holds("other"))
  }
}
