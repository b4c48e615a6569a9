import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// The models and adapters of `PeftGoldens`, as folders.
struct PeftFolders {
  let stage: Stage
  let adapters: JSONValue

  init(_ stage: Stage) throws {
    self.stage = stage
    adapters = try JSONValue.parse(Array(PeftGoldens.adapters.utf8))
    try stage.write("base", Self.contents(try JSONValue.parse(Array(PeftGoldens.base.utf8))))
  }

  static var variants: [String] {
    ((try? JSONValue.parse(Array(PeftGoldens.adapters.utf8)))?.members ?? []).map(\.key)
  }

  static func contents(_ tensors: JSONValue) -> [Stage.Content] {
    (tensors.members ?? []).map { member in
      let (shape, values) = (member.value.elements?[0].elements ?? [], member.value.elements?[1].elements ?? [])
      return Stage.Content(
        name: member.key, dtype: .f32, shape: shape.compactMap(\.int),
        bytes: values.compactMap(\.double).flatMap { value in
          withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { Array($0) }
        })
    }
  }

  /// Writes an adapter's folder; `edit` may change its configuration's text and its tensors.
  @discardableResult
  func write(
    _ variant: String, as name: String, config: [(String, JSONValue)] = [],
    edit: ([Stage.Content]) -> [Stage.Content] = { $0 }
  ) throws -> String {
    let golden = try #require(adapters[variant])
    let path = try stage.write(name, edit(Self.contents(try #require(golden["tensors"]))))
    try FileManager.default.moveItem(
      atPath: path + "/model.safetensors", toPath: path + "/adapter_model.safetensors")
    try FileManager.default.removeItem(atPath: path + "/config.json")
    var members = golden["config"]?.members ?? []
    for (key, value) in config { members = members.filter { $0.key != key } + [.init(key, value)] }
    try Data(JSONValue.object(members).pretty().utf8).write(to: URL(fileURLWithPath: path + "/adapter_config.json"))
    return path
  }

  /// What PEFT made of the base, by tensor: those of the base where it made none.
  func merged(_ variant: String) throws -> [String: [UInt8]] {
    let base = Self.contents(try JSONValue.parse(Array(PeftGoldens.base.utf8)))
    let own = Self.contents(try #require(adapters[variant]?["merged"]))
    return Dictionary((own + base).map { ($0.name, $0.bytes) }, uniquingKeysWith: { first, _ in first })
  }
}

@Suite("adapters in the store")
struct StoredAdapterTests {
  private func applying(_ reference: String) -> String {
    "merge_method: passthrough\nmodels: [{model: \(reference)}]\ndtype: float32\n"
  }

  private func numbers(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }

  @Test("a merge with an adapter of every kind gives what PEFT makes of it", arguments: PeftFolders.variants)
  func peft(variant: String) throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    try folders.write(variant, as: "lora")
    let store = try stage.open()
    _ = try store.importCheckpoint(at: stage.folder.path + "/base", name: "base", base: nil)
    _ = try store.importCheckpoint(at: stage.folder.path + "/lora", name: "lora", base: "base")
    let wanted = try folders.merged(variant)
    let golden = Set((folders.adapters[variant]?["merged"]?.members ?? []).map(\.key))
    // The same model by names, by the adapter's own name, by paths in the store, and by paths without one.
    var ids: Set<String> = []
    for reference in ["base+lora", "lora", "./base+./lora", "./base+lora"] {
      let report = try store.merge(recipe: applying(reference), relativeTo: stage.folder.path, name: nil)
      ids.insert(try store.show(report.id).weightsID)
      for (name, bytes) in wanted {
        var found: [UInt8] = []
        try store.readRange(report.id, of: .tensor(name), from: 0, to: nil) { found += Array($0) }
        if golden.contains(name) {
          let pairs = zip(numbers(found), numbers(bytes))
          #expect(found.count == bytes.count && pairs.allSatisfy { abs($0 - $1) <= 2e-6 }, "\(reference) \(name)")
        } else {
          #expect(found == bytes, "\(name) is not touched")
        }
      }
    }
    #expect(ids.count == 1)
    _ = try Repository.merge(
      recipe: applying("./base+./lora"), relativeTo: stage.folder.path, to: stage.folder.path + "/out")
    let again = try store.importCheckpoint(at: stage.folder.path + "/out", name: nil, base: nil)
    #expect(try ids.contains(store.show(again.id).weightsID))
  }

  @Test("an adapter comes out byte for byte, and log and show say what it is and of which base")
  func lineage() throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    let path = try folders.write("dora", as: "lora", config: [("base_model_name_or_path", "org/base")])
    try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/training_args.bin"))
    let store = try stage.open()
    let missing = #expect(throws: RepositoryError.self) {
      try store.importCheckpoint(at: path, name: "lora", base: nil)
    }
    #expect(missing?.kind == .notFound && missing?.message.contains("org/base") == true)
    let base = try store.importCheckpoint(at: stage.folder.path + "/base", name: "org/base", base: nil)
    let report = try store.importCheckpoint(at: path, name: "lora", base: nil)
    #expect(report.baseChoice == "named" && report.base == "org/base")
    _ = try store.export("lora", to: stage.folder.path + "/out")
    #expect(try Stage.same(path, stage.folder.path + "/out"))
    let details = try store.show("lora")
    #expect(details.summary.kind == "adapter" && details.method == "DoRA, rank 2")
    let log = try store.log("lora")
    #expect(log.nodes.map(\.id) == [report.id, base.id])
    #expect(log.nodes[0].derivations[0].parents.map(\.role) == ["base"])
    // Again, also beside another base, the last of which counts.
    #expect(try store.importCheckpoint(at: path, name: nil, base: nil).alreadyStored)
    #expect(try store.log("lora").nodes[0].derivations.count == 1)
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("a fused model with adapters names base and adapters as parents, and survives rebuild and eviction")
  func fused() throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    try folders.write("lora", as: "one")
    try folders.write("dora", as: "two")
    var store: Repository? = try stage.open()
    for name in ["base", "one", "two"] {
      _ = try store?.importCheckpoint(
        at: stage.folder.path + "/" + name, name: name, base: name == "base" ? nil : "base")
    }
    let recipe = """
      merge_method: ties
      base_model: base
      models:
        - {model: base+one, parameters: {weight: 0.5, density: 0.6}}
        - {model: two, parameters: {weight: 0.25, density: 0.7}}
      dtype: bfloat16
      """
    let plan = try store?.plan(recipe: recipe, relativeTo: stage.folder.path).text
    #expect(plan?.contains("base+one") == true && plan?.contains("base+two") == true)
    let report = try #require(try store?.merge(recipe: recipe, relativeTo: stage.folder.path, name: "fused"))
    let stored = try store?.merge(recipe: recipe, relativeTo: stage.folder.path, name: "kept", keepBytes: true)
    #expect(stored?.id == report.id)
    let parents = try #require(try store?.log("fused").nodes[0].derivations[0].parents)
    #expect(parents.map(\.role).sorted() == ["adapter", "adapter", "base"])
    #expect(parents.filter { $0.role == "adapter" }.map(\.coefficient) == [0.5, 0.25])
    _ = try store?.evict("fused")
    #expect(try store?.show("fused").summary.state == "virtual")
    store = nil
    _ = try Repository.rebuild(at: stage.store)
    let again = try stage.open()
    _ = try again.export("fused", to: stage.folder.path + "/out")
    #expect(try again.verify().damage.isEmpty)
    // Ranges alone are the same bytes.
    for name in ["model.up.weight", "model.embed.weight", "model.down.weight"] {
      var whole: [UInt8] = []
      try again.readRange("fused", of: .tensor(name), from: 0, to: nil) { whole += Array($0) }
      for start in stride(from: 0, to: whole.count - 6, by: 5) {
        var part: [UInt8] = []
        try again.readRange("fused", of: .tensor(name), from: start, to: start + 6) { part += Array($0) }
        #expect(part == Array(whole[start..<start + 6]), "\(name) from \(start)")
      }
    }
    // The same without a store, and on one thread.
    let paths = recipe.replacing("base+one", with: "./base+./one").replacing("model: two", with: "model: ./base+./two")
      .replacing("base_model: base", with: "base_model: ./base")
    _ = try Repository.merge(
      recipe: paths, relativeTo: stage.folder.path, to: stage.folder.path + "/plain", threads: 1)
    let weights = "/model.safetensors"
    #expect(
      FileManager.default.contentsEqual(
        atPath: stage.folder.path + "/out" + weights, andPath: stage.folder.path + "/plain" + weights))
  }

  @Test("an adapter that does not fit its base, or is none, is refused at the door")
  func refusals() throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    let store = try stage.open()
    _ = try store.importCheckpoint(at: stage.folder.path + "/base", name: "base", base: nil)
    func refusal(_ name: String, config: [(String, JSONValue)] = [], edit: @escaping (Stage.Content) -> Stage.Content?)
      throws -> RepositoryError?
    {
      let path = try folders.write("lora", as: name, config: config) { $0.compactMap(edit) }
      return #expect(throws: RepositoryError.self) { try store.importCheckpoint(at: path, name: nil, base: "base") }
    }
    let half = try refusal("half") { $0.name.contains("up.lora_B") ? nil : $0 }
    #expect(half?.kind == .invalidInput && half?.message.contains("model.up.lora_A.weight") == true)
    let rank = try refusal("rank", config: [("r", 3)]) { $0 }
    #expect(rank?.message.contains("expected shape [3, inputs], found [2, 6]") == true)
    let shape = try refusal("shape") {
      $0.name.contains("up.lora_A")
        ? Stage.Content(name: $0.name, dtype: .f32, shape: [2, 2], bytes: Array($0.bytes.prefix(16))) : $0
    }
    #expect(shape?.message.contains("[2, 2] does not fit 'model.up.weight' of shape [6, 4]") == true)
    let kind = try refusal("kind", config: [("peft_type", "IA3")]) { $0 }
    #expect(kind?.kind == .unsupported && kind?.message.contains("'IA3'") == true)
    #expect(try store.list(all: true).count == 1)

    _ = try store.importCheckpoint(at: try folders.write("lora", as: "lora"), name: "lora", base: "base")
    for reference in ["lora+lora", "base+base"] {
      let error = #expect(throws: RepositoryError.self) {
        try store.plan(recipe: applying(reference), relativeTo: "/")
      }
      #expect(error?.kind == .invalidInput)
    }
    let alone = #expect(throws: RepositoryError.self) {
      try Repository.plan(recipe: applying("./lora"), relativeTo: stage.folder.path)
    }
    #expect(alone?.hint == "name the base before it: BASE+./lora")
    let onAdapter = #expect(throws: RepositoryError.self) {
      try store.importCheckpoint(at: stage.folder.path + "/lora", name: nil, base: "lora")
    }
    #expect(onAdapter?.kind == .invalidInput)
  }

  @Test("an embedding that is saved beside its factors is what they are added to")
  func ownWeight() throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    let (name, rows) = ("model.embed.weight", 5)
    let base = try #require(
      PeftFolders.contents(try JSONValue.parse(Array(PeftGoldens.base.utf8))).first { $0.name == name })
    let doubled = numbers(base.bytes).flatMap { value in
      withUnsafeBytes(of: (value * 2).bitPattern.littleEndian) { Array($0) }
    }
    let own = Stage.Content(
      name: "base_model.model.model.embed.base_layer.weight", dtype: .f32, shape: [rows, 4], bytes: doubled)
    try folders.write("embedding", as: "lora") { $0 + [own] }
    let store = try stage.open()
    _ = try store.importCheckpoint(at: stage.folder.path + "/base", name: "base", base: nil)
    _ = try store.importCheckpoint(at: stage.folder.path + "/lora", name: "lora", base: "base")
    let report = try store.merge(recipe: applying("lora"), relativeTo: "/", name: nil)
    var found: [UInt8] = []
    try store.readRange(report.id, of: .tensor(name), from: 0, to: nil) { found += Array($0) }
    let peft = numbers(try #require(try folders.merged("embedding")[name]))
    for (value, (merged, base)) in zip(numbers(found), zip(peft, numbers(base.bytes))) {
      #expect(abs(value - (merged + base)) < 2e-6)
    }
  }

  @Test("a step of a recipe can be the base of an adapter")
  func steps() throws {
    let stage = try Stage()
    let folders = try PeftFolders(stage)
    try folders.write("lora", as: "lora")
    let store = try stage.open()
    _ = try store.importCheckpoint(at: stage.folder.path + "/base", name: "base", base: nil)
    _ = try store.importCheckpoint(at: stage.folder.path + "/lora", name: "lora", base: "base")
    let recipe = "name: copy\nmerge_method: passthrough\nmodels: [{model: base}]\n---\n" + applying("copy+lora")
    _ = try store.plan(recipe: recipe, relativeTo: "/")
    let chained = try store.merge(recipe: recipe, relativeTo: "/", name: nil)
    let direct = try store.merge(recipe: applying("lora"), relativeTo: "/", name: nil)
    #expect(try store.show(chained.id).weightsID == store.show(direct.id).weightsID)
    // Without a store too, and over a step that is computed.
    for (text, out) in [
      (recipe.replacing("model: base", with: "model: ./base").replacing("copy+lora", with: "copy+./lora"), "chained"),
      (applying("./base+./lora"), "direct"),
    ] {
      _ = try Repository.merge(recipe: text, relativeTo: stage.folder.path, to: "\(stage.folder.path)/\(out)")
    }
    #expect(
      FileManager.default.contentsEqual(
        atPath: stage.folder.path + "/chained/model.safetensors",
        andPath: stage.folder.path + "/direct/model.safetensors"))
  }
}
