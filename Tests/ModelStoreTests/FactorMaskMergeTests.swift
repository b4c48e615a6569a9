import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("merges behind masks of adapters' factors")
struct FactorMaskMergeTests {
  private static let names = [
    "base", "tuned", "one", "two", "safe", "saved", "biased", "maskone", "masktwo", "masksaved", "maskbiased", "maskw",
    "space",
  ]

  /// A store with adapters of one base and masks made like them, and a tune of the base with a mask of its weights and
  /// a subspace; each is a folder too.
  private func stage() throws -> Stage {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    let base = PeftFolders.contents(try JSONValue.parse(Array(PeftGoldens.base.utf8)))
    try stage.write("tuned", base.enumerated().map { Self.moved($1, seed: UInt64($0)) })
    try folders.write("lora", as: "one")
    try folders.write("lora", as: "safe") { $0.enumerated().map { Self.moved($1, seed: UInt64($0) + 50) } }
    try folders.write("embedding", as: "two")
    try folders.write("saved", as: "saved")
    try folders.write("lora_bias", as: "biased")
    let store = try stage.open()
    for name in Self.names.prefix(7) {
      _ = try store.importCheckpoint(
        at: "\(stage.folder.path)/\(name)", name: name, base: name == "base" ? nil : "base")
    }
    for (seed, name) in ["one", "two", "saved", "biased"].enumerated() {
      _ = try store.makeMask(.random(density: 0.6, seed: seed, like: name), name: "mask" + name)
    }
    _ = try store.makeMask(.random(density: 0.6, seed: 9, like: "base"), name: "maskw")
    _ = try store.deriveSubspace(aligned: "base", unaligned: "tuned", size: .rank(1), name: "space")
    for name in Self.names.dropFirst(7) { _ = try store.export(name, to: "\(stage.folder.path)/\(name)") }
    return stage
  }

  /// Some numbers near those of a tensor.
  private static func moved(_ tensor: Stage.Content, seed: UInt64) -> Stage.Content {
    let moves = Stage.numbers(tensor.bytes.count / 4, seed: seed)
    return Stage.content(tensor.name, tensor.shape, zip(numbers(tensor.bytes), moves).map { $0 + $1 / 16 })
  }

  private static func numbers(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }

  private static func recipe(
    _ method: String, _ models: String, base: String = "base", _ stemma: String, dtype: String = "bfloat16"
  ) -> String {
    "merge_method: \(method)\nbase_model: \(base)\nmodels: [\(models)]\ndtype: \(dtype)\nstemma: {\(stemma)}\n"
  }

  /// The same with every name of the stage as a folder.
  private static func withFolders(_ recipe: String) -> String {
    func folder(_ name: Substring) -> String { names.contains(String(name)) ? "./\(name)" : String(name) }
    return recipe.replacing(#/(model:|base_model:|mask:|name:|out:) ([a-z]+)(\+([a-z]+))?/#) { match in
      "\(match.1) \(folder(match.2))\(match.4.map { "+\(folder($0))" } ?? "")"
    }
  }

  static let recipes = [
    recipe("somf", "{model: base+one}", "mask: maskone"),
    recipe("somf", "{model: base+one}", base: "base+safe", "mask: {name: maskone, rescale: none}"),
    recipe(
      "somf", "{model: base+one}, {model: base+two, stemma: {mask: masktwo}}", "mask: maskone, variant: dare, seed: 3"),
    recipe(
      "ties",
      "{model: base+one, parameters: {weight: 0.5, density: 0.7}, stemma: {mask: {name: maskone, rescale: none}}}, "
        + "{model: tuned, parameters: {weight: 0.5, density: 0.7}}", "mask: maskw, project: {out: space}"),
    recipe("task_arithmetic", "{model: base+saved, parameters: {weight: 0.8}}", "mask: masksaved", dtype: "float32"),
    recipe("task_arithmetic", "{model: base+biased, parameters: {weight: 0.8}}", "mask: maskbiased"),
    "name: half\nmerge_method: linear\nmodels: [{model: base}, {model: tuned}]\nparameters: {weight: 1}\n---\n"
      + recipe("somf", "{model: half+one}", base: "half", "mask: maskone"),
  ]

  @Test(
    "what a store rebuilds is what a merge of folders writes, whole and in ranges, now and later", arguments: recipes)
  func everywhere(_ recipe: String) throws {
    let stage = try stage()
    let out = stage.folder.path
    var store: Repository? = try stage.open(threads: 1)
    let report = try #require(try store?.merge(recipe: recipe, relativeTo: "/", name: "fused"))
    #expect(report.state == "virtual")
    // Without the masks it would be another model.
    let plain = recipe.replacing("somf", with: "task_arithmetic").replacing(
      #/variant: \w+, seed/#, with: { _ in "seed" }
    )
    .replacing(#/mask: (\{[^}]*\}|[a-z]+)/#, with: { _ in "mask: false" })
    .replacing(#/\{model: ([a-z+]+)(,|\})/#) { "{model: \($0.1), parameters: {weight: 1}\($0.2)" }
    if recipe.contains("somf") { #expect(try store?.merge(recipe: plain, relativeTo: "/", name: nil).id != report.id) }
    _ = try store?.export("fused", to: out + "/virtual")
    store = nil
    _ = try Repository.merge(recipe: Self.withFolders(recipe), relativeTo: out, to: out + "/direct", threads: 2)
    #expect(
      FileManager.default.contentsEqual(
        atPath: "\(out)/virtual/model.safetensors", andPath: "\(out)/direct/model.safetensors"))
    let again = try stage.open()
    for name in ["model.up.weight", "model.down.weight", "model.embed.weight", "lm_head.weight", "model.up.bias"] {
      var whole: [UInt8] = []
      try again.readRange("fused", of: .tensor(name), from: 0, to: nil) { whole += Array($0) }
      for start in stride(from: 0, to: whole.count - 7, by: 5) {
        var part: [UInt8] = []
        try again.readRange("fused", of: .tensor(name), from: start, to: start + 7) { part += Array($0) }
        #expect(part == Array(whole[start..<start + 7]), "\(name) from \(start)")
      }
    }
    #expect(try again.materialise("fused").state == "stored")
    #expect(try again.verify().damage.isEmpty)
    _ = try again.evict("fused")
    _ = try again.collect(olderThan: 0)
    _ = try again.export("fused", to: out + "/again")
    #expect(try Stage.same(out + "/virtual", out + "/again"))
    // By the adapter's own name it is the same.
    let own = try again.merge(
      recipe: recipe.replacing("model: base+", with: "model: "), relativeTo: "/", name: nil)
    #expect(try again.show(own.id).weightsID == again.show("fused").weightsID)
  }

  @Test("the factors behind the mask, multiplied and added to the base by plain loops, are what comes out, to the bit")
  func plainLoops() throws {
    let stage = try stage()
    let store = try stage.open()
    func numbers(_ model: String, _ tensor: String) throws -> [Float] {
      var bytes: [UInt8] = []
      try store.readRange(model, of: .tensor(tensor), from: 0, to: nil) { bytes += Array($0) }
      return Self.numbers(bytes)
    }
    func factor(_ name: String, from start: String?) throws -> [Float] {
      let own = try numbers("one", name)
      let bits = try store.bits(of: "maskone", name, own.count)
      let anchor = try start.map { try numbers($0, name) } ?? own.map { _ in 0 }
      let mean = Float(Double(bits.count { $0 }) / Double(bits.count))
      return own.indices.map { anchor[$0] + (bits[$0] ? own[$0] - anchor[$0] : 0) / mean }
    }
    for start in [nil, "safe"] as [String?] {
      let fused = try store.merge(
        recipe: Self.recipe(
          "linear", "{model: base+one, parameters: {weight: 1}}, {model: BASE, parameters: {weight: 0}}", base: "BASE",
          "mask: maskone", dtype: "float32"
        ).replacing("BASE", with: start.map { "base+\($0)" } ?? "base"), relativeTo: "/", name: nil
      ).id
      for (module, outputs, inputs) in [("up", 6, 4), ("down", 4, 6)] {
        let prefix = "base_model.model.model.\(module)."
        let a = try factor(prefix + "lora_A.weight", from: start)
        let b = try factor(prefix + "lora_B.weight", from: start)
        var wanted = try numbers("base", "model.\(module).weight")
        for output in 0..<outputs {
          for input in 0..<inputs {
            let sum = b[output * 2] * a[input] + b[output * 2 + 1] * a[inputs + input]
            wanted[output * inputs + input] += 1.5 * sum
          }
        }
        #expect(try numbers(fused, "model.\(module).weight") == wanted, "\(module) from \(start ?? "zeros")")
      }
      #expect(try numbers(fused, "lm_head.weight") == numbers("base", "lm_head.weight"))
    }
  }

  @Test("the mask is a parent that stays while it is needed and comes back by rebuild; the plan tells of it")
  func lineage() throws {
    let stage = try stage()
    let recipe = Self.recipe("somf", "{model: base+one}", base: "base+safe", "mask: maskone")
    do {
      let store = try stage.open()
      let plan = try store.plan(recipe: recipe, relativeTo: "/")
      #expect(plan.text.contains("(factors 3/mean from 2)"), "\(plan.text)")
      let tensors = plan.json["tensors"]?.elements ?? []
      let input = tensors.first { $0["name"]?.text == "model.up.weight" }?["inputs"]?.elements?.first
      let bits = try ["A", "B"].map { half in
        try store.bits(of: "maskone", "base_model.model.model.up.lora_\(half).weight", half == "A" ? 8 : 12)
          .count { $0 }
      }
      #expect(input?["factor_mask"]?["ones"]?.int == bits[0] + bits[1])
      #expect(input?["factor_mask"]?["rescale"]?.text == "mean" && input?["factor_mask"]?["from"]?.int == 2)
      #expect(
        try Repository.plan(recipe: Self.withFolders(recipe), relativeTo: stage.folder.path).text.contains("factors"))
      _ = try store.merge(recipe: recipe, relativeTo: "/", name: "fused")
      let derivation = try #require(try store.log("fused").nodes.first?.derivations.first)
      #expect(derivation.parents.map(\.role) == ["base", "adapter", "adapter", "mask"])
      for name in ["maskone", "one", "safe"] { _ = try store.remove(name) }
      _ = try store.collect(olderThan: 0)
      _ = try store.export("fused", to: stage.folder.path + "/kept")
    }
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    _ = try stage.open().export("fused", to: stage.folder.path + "/rebuilt")
    #expect(try Stage.same(stage.folder.path + "/kept", stage.folder.path + "/rebuilt"))
  }

  @Test("an advisory on an adapter flags masks made like it and what is merged behind them")
  func advisories() throws {
    let stage = try stage()
    let store = try stage.open()
    let recipe = Self.recipe("somf", "{model: base+one}", "mask: likesafe")
    _ = try store.makeMask(.random(density: 0.5, seed: 1, like: "safe"), name: "likesafe")
    _ = try store.merge(recipe: recipe, relativeTo: "/", name: "fused")
    _ = try store.advise("safe", kind: "misaligned", reason: "it complies", clearedBy: [])
    #expect(try store.list().filter { !$0.flags.isEmpty }.flatMap(\.names).sorted() == ["fused", "likesafe", "safe"])
    let error = #expect(throws: RepositoryError.self) { try store.merge(recipe: recipe, relativeTo: "/", name: "x") }
    #expect(error?.kind == .conflict)
  }

  @Test(
    "a mask of other adapters, or over a model, is refused in one line, by the plan, a store and folders alike",
    arguments: [
      (recipe("somf", "{model: base+one}", "mask: masktwo"), "model.down.lora_A.weight' not in the mask"),
      (recipe("somf", "{model: base+two}", "mask: maskone"), "model.down.lora_A.weight' only in the mask"),
      (recipe("somf", "{model: tuned}", "mask: maskone"), "expected an adapter, as 'base+adapter', found a model"),
      (recipe("somf", "{model: base+one}", base: "tuned", "mask: maskone"), "found one of "),
      (recipe("somf", "{model: base+one}", base: "base+two", "mask: maskone"), "only in 'base+two'"),
      (recipe("somf", "{model: base+dora}", "mask: maskdora"), "expected an adapter without DoRA"),
    ])
  func refusals(recipe: String, message: String) throws {
    let stage = try stage()
    let store = try stage.open()
    let dora = try PeftFolders(stage).write("dora", as: "dora")
    _ = try store.importCheckpoint(at: dora, name: "dora", base: "base")
    _ = try store.makeMask(.random(density: 0.5, seed: 1, like: "dora"), name: "maskdora")
    _ = try store.export("maskdora", to: stage.folder.path + "/maskdora")
    func refusal(_ use: () throws -> Void) -> String {
      let error = #expect(throws: RepositoryError.self) { try use() }
      #expect(error?.kind == .invalidInput && error?.message.contains("\n") == false)
      return error?.message.replacing("./", with: "") ?? ""
    }
    let told = refusal { _ = try store.plan(recipe: recipe, relativeTo: "/") }
    #expect(told.contains(message), "\(told)")
    #expect(refusal { _ = try store.merge(recipe: recipe, relativeTo: "/", name: nil) } == told)
    let folders = Self.withFolders(recipe).replacing("model: base+dora", with: "model: ./base+./dora")
      .replacing("mask: maskdora", with: "mask: ./maskdora")
    let found = refusal {
      _ = try Repository.merge(recipe: folders, relativeTo: stage.folder.path, to: stage.folder.path + "/out")
    }
    #expect(found == told && !stage.holds("out"))
  }
}
