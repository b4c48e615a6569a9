import Foundation
import JSON
import TestSupport
import Testing

@testable import ModelStore

@Suite("merges behind masks and subspaces")
struct RealignedMergeTests {
  private static let shapes = [("model.embed_tokens.weight", 64 * 32), ("model.layers.0.mlp.weight", 64 * 64)]

  /// A store with `aligned` and two tunes of it, the mask `m` and the subspace `s`; each is a folder too.
  private func stage() throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("aligned", 0 as UInt64), ("one", 1), ("two", 2), ("unaligned", 3)] {
      _ = try store.importCheckpoint(at: stage.write(name, Stage.model(seed: 5, tune: tune)), name: name, base: nil)
    }
    let bits = try stage.write(
      file: "bits.safetensors",
      [
        Stage.content("model.embed_tokens.weight", [64, 32], Stage.bits(64 * 32, density: 0.7, seed: 1)),
        Stage.content("model.layers.0.mlp.weight", [64, 64], Stage.bits(64 * 64, density: 0.4, seed: 2)),
        Stage.content("model.norm.weight", [32], Stage.bits(32, density: 0.5, seed: 3)),
      ])
    _ = try store.importMask(at: bits, space: nil, reading: nil, name: "m")
    _ = try store.deriveSubspace(aligned: "aligned", unaligned: "unaligned", size: .rank(3), name: "s")
    for name in ["m", "s"] { _ = try store.export(name, to: "\(stage.folder.path)/\(name)") }
    return stage
  }

  private static func recipe(_ method: String, _ models: [String], _ stemma: String, parameters: String = "") -> String
  {
    let list = models.map { "{model: \($0), parameters: {weight: 0.6\(parameters)}}" }.joined(separator: ", ")
    return "merge_method: \(method)\nbase_model: aligned\nmodels: [\(list)]\ndtype: bfloat16\nstemma: {\(stemma)}\n"
  }

  static let recipes = [
    recipe("somf", ["one", "two"], "mask: m"),
    recipe("somf", ["one", "two"], "mask: m, variant: dare, seed: 3"),
    recipe("ties", ["one", "two"], "mask: {name: m, rescale: none}, project: {out: s}", parameters: ", density: 0.5"),
    recipe("dare_linear", ["one"], "project: {onto: s}", parameters: ", density: 0.5"),
    "merge_method: safe_lora\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {subspace: s}\n",
    "merge_method: safe_lora\nbase_model: aligned\nmodels: [{model: one}]\nparameters: {count: 1}\n"
      + "stemma: {subspace: s, mask: m}\n",
    "merge_method: safemerge\nbase_model: aligned\nmodels: [{model: one}, {model: two}]\nparameters: {threshold: 1}\n"
      + "stemma: {subspace: s}\n",
    "merge_method: resta\nbase_model: unaligned\nmodels: [{model: one}, {model: aligned}]\n"
      + "parameters: {density: 0.5}\n",
  ]

  @Test(
    "what a store rebuilds is what a merge of folders writes, whole and in ranges, now and later", arguments: recipes)
  func everywhere(_ recipe: String) throws {
    let stage = try stage()
    let out = stage.folder.path
    var store: Repository? = try stage.open(threads: 1)
    let report = try #require(try store?.merge(recipe: recipe, relativeTo: "/", name: "fused"))
    #expect(report.state == "virtual")
    _ = try store?.export("fused", to: out + "/virtual")
    store = nil
    let folders = recipe.replacing(#/(model:|base_model:|mask:|name:|onto:|out:|subspace:) ([a-z]+)\b/#) {
      "\($0.1) ./\($0.2)"
    }
    let direct = try Repository.merge(recipe: folders, relativeTo: out, to: out + "/direct", threads: 2)
    #expect(direct.tensors == 3)
    for file in ["model.safetensors"] {
      #expect(FileManager.default.contentsEqual(atPath: "\(out)/virtual/\(file)", andPath: "\(out)/direct/\(file)"))
    }
    #expect(
      !FileManager.default.contentsEqual(
        atPath: out + "/virtual/model.safetensors", andPath: out + "/one/model.safetensors"))
    let again = try stage.open()
    for (name, count) in Self.shapes {
      var (whole, part) = ([UInt8](), [UInt8]())
      try again.readRange("fused", of: .tensor(name), from: 0, to: nil) { whole += Array($0) }
      try again.readRange("fused", of: .tensor(name), from: 777, to: 2001) { part += Array($0) }
      #expect(whole.count == 2 * count && part == Array(whole[777..<2001]))
    }
    #expect(try again.materialise("fused").state == "stored")
    _ = try again.collect(olderThan: 0)
    #expect(try again.verify().damage.isEmpty)
    _ = try again.evict("fused")
    _ = try again.collect(olderThan: 0)
    _ = try again.export("fused", to: out + "/again")
    #expect(try Stage.same(out + "/virtual", out + "/again"))
  }

  @Test(
    "masks and subspaces are parents with their roles, stay while a virtual model needs them, and come back by rebuild")
  func lineage() throws {
    let stage = try stage()
    do {
      let store = try stage.open()
      _ = try store.merge(
        recipe: Self.recipe("ties", ["one"], "mask: m, project: {out: s}"), relativeTo: "/", name: "fused")
      let plan = try store.plan(
        recipe: Self.recipe("ties", ["one"], "mask: m, project: {out: s}"), relativeTo: "/")
      let input = plan.json["tensors"]?.elements?.first?["inputs"]?.elements?.first
      #expect(input?["mask"]?["rescale"]?.text == "mean" && input?["mask"]?["ones"]?.int ?? 0 > 0)
      #expect(input?["project"]?["side"]?.text == "out" && input?["project"]?["rank"]?.int == 3)
      #expect(input?["dtype"]?.text == "BF16")
      let derivation = try #require(try store.log("fused").nodes.first?.derivations.first)
      #expect(derivation.parents.map(\.role) == ["input", "base", "mask", "subspace"])
      for name in ["m", "s", "one"] { _ = try store.remove(name) }
      _ = try store.collect(olderThan: 0)
      _ = try store.export("fused", to: stage.folder.path + "/kept")
    }
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    _ = try stage.open().export("fused", to: stage.folder.path + "/rebuilt")
    #expect(try Stage.same(stage.folder.path + "/kept", stage.folder.path + "/rebuilt"))
  }

  @Test(
    "what is no mask, no subspace or no model where one is wanted is one line that says so",
    arguments: [
      (recipe("ties", ["one"], "mask: two"), "two: a mask expected, found a model"),
      (recipe("ties", ["one"], "mask: s"), "s: a mask expected, found a subspace"),
      (recipe("ties", ["one"], "project: {out: m}"), "m: a subspace expected, found a mask"),
      (recipe("ties", ["m"], "mask: m"), "m: a model expected, found a mask"),
      (recipe("ties", ["one"], "mask: nowhere"), "nowhere"),
    ])
  func kinds(recipe: String, message: String) throws {
    let stage = try stage()
    let store = try stage.open()
    let error = try #require(throws: RepositoryError.self) {
      try store.merge(recipe: recipe, relativeTo: "/", name: "fused")
    }
    #expect(error.message.contains(message), "\(error)")
    #expect(throws: RepositoryError.self) { try store.plan(recipe: recipe, relativeTo: "/") }
  }

  @Test("a folder's mask whose bits are not those it counts is refused before anything is written")
  func miscounted() throws {
    let stage = try stage()
    let config = stage.folder.path + "/m/mask_config.json"
    let text = try String(contentsOfFile: config, encoding: .utf8)
    let ones = try #require(text.firstMatch(of: #/"ones": ([0-9]+)/#))
    try text.replacingCharacters(in: ones.1.startIndex..<ones.1.endIndex, with: "7")
      .write(toFile: config, atomically: true, encoding: .utf8)
    let recipe = Self.recipe("ties", ["./one"], "mask: ./m").replacing(
      "base_model: aligned", with: "base_model: ./aligned")
    let error = try #require(throws: RepositoryError.self) {
      try Repository.merge(recipe: recipe, relativeTo: stage.folder.path, to: stage.folder.path + "/out")
    }
    #expect(error.kind == .invalidInput || error.kind == .corrupt, "\(error)")
    #expect(!stage.holds("out"))
  }
}
