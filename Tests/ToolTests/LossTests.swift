import Foundation
import Testing

@Suite("upkeep and damage lose nothing that can be had") struct LossTests {
  /// A way in which files of a store are hurt.
  enum Damage: String, CaseIterable {
    case flippedByte = "a byte of a frame"
    case lastByte = "a pack's last byte cut off"
    case header = "a pack's first byte"
    case missingPack = "a pack is gone"
    case emptyPack = "a pack of no bytes"
    case missingManifest = "a manifest is gone"
    case emptyManifest = "a manifest of no bytes"

    /// Hurts what the import of a model wrote.
    func hurt(_ stage: Stage, _ model: Model) throws {
      let pack = stage.url(".stemma/" + model.pack)
      let manifest = stage.url(".stemma/documents/\(model.id.prefix(2))/\(model.id).json")
      var bytes = try Data(contentsOf: pack)
      switch self {
      case .flippedByte:
        bytes[bytes.count / 3] ^= 0x10
        try bytes.write(to: pack)
      case .lastByte: try bytes.dropLast().write(to: pack)
      case .header:
        bytes[0] ^= 1
        try bytes.write(to: pack)
      case .missingPack: try FileManager.default.removeItem(at: pack)
      case .emptyPack: try Data().write(to: pack)
      case .missingManifest: try FileManager.default.removeItem(at: manifest)
      case .emptyManifest: try Data().write(to: manifest)
      }
    }
  }

  /// A model on record, and the pack that its import wrote.
  struct Model {
    let id: String
    let pack: String
  }

  /// A store with `base`, and `math` and `code` that are deltas on it, each with a pack of its own.
  private func prepared() throws -> (stage: Stage, models: [String: Model]) {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.expect("init")
    var models: [String: Model] = [:]
    var known: Set<String> = []
    for name in ["base", "math", "code"] {
      let base = name == "base" ? [] : ["--base", "base"]
      let outcome = try stage.start(["import", name, "--name", name, "--json"] + base).wait()
      let id = try #require(try outcome.json()["id"] as? String, "\(outcome.errors)")
      let packs = Set(try stage.files(under: ".stemma").keys.filter { $0.hasSuffix(".pack") })
      models[name] = Model(id: id, pack: try #require(packs.subtracting(known).first))
      known = packs
    }
    return (stage, models)
  }

  private func expectAll(_ stage: Stage, _ names: [String] = ["base", "math", "code"]) throws {
    try stage.expect("verify")
    for name in names {
      let out = "out-\(UUID().uuidString)"
      try stage.expect("export", name, out)
      #expect(try stage.files(under: out) == stage.files(under: name), "\(name)")
    }
  }

  @Test(
    "importing a model again heals it, and what rests on it",
    arguments: Damage.allCases, ["base", "math"])
  func heal(_ damage: Damage, _ name: String) throws {
    let (stage, models) = try prepared()
    try damage.hurt(stage, models[name]!)
    let verdict = try stage.expect("verify", status: 5).output
    #expect(verdict.contains(name), "\(verdict)")
    try stage.expect("import", name, "--base", "base")
    try expectAll(stage)
    try stage.expect("gc", "--older-than", "0")
    try expectAll(stage)
    try stage.expect("rebuild")
    try expectAll(stage)
  }

  @Test("an import beside damage succeeds, and rests on nothing that cannot be read", arguments: Damage.allCases)
  func nearDamage(_ damage: Damage) throws {
    let (stage, models) = try prepared()
    try stage.add(TinyCheckpoint(seed: 1).tuned(seed: 9), as: "new")
    try damage.hurt(stage, models["base"]!)
    try stage.expect("import", "new", "--name", "new")
    try stage.expect("export", "new", "out")
    #expect(try stage.files(under: "out") == stage.files(under: "new"))
  }

  @Test("after a rebuild without a pack its import brings all back that rests on it")
  func healAfterRebuild() throws {
    let (stage, models) = try prepared()
    try Damage.missingPack.hurt(stage, models["base"]!)
    try stage.expect("rebuild", status: 5)
    try stage.expect("gc", status: 5)
    try stage.expect("import", "base", "--name", "base")
    try expectAll(stage)
    try stage.expect("gc", "--older-than", "0")
    try expectAll(stage)
  }

  @Test("rebuild finds objects in packs whose indexes are damaged", arguments: [Damage.lastByte, .header])
  func salvage(_ damage: Damage) throws {
    let (stage, models) = try prepared()
    for model in models.values { try damage.hurt(stage, model) }
    let outcome = try stage.expect("rebuild")
    #expect(outcome.output.contains("objects in it are whole"), "\(outcome)")
    try expectAll(stage)
    try stage.expect("gc", "--older-than", "0")
    try expectAll(stage)
    try stage.expect("rebuild")
    try expectAll(stage)
  }

  @Test("rebuild takes the sound one of two frames of an object")
  func twoFrames() throws {
    let (stage, models) = try prepared()
    // The import again wrote the damaged frames anew, and the damaged pack is garbage until gc.
    try Damage.flippedByte.hurt(stage, models["math"]!)
    try stage.expect("import", "math", "--base", "base")
    try stage.expect("rebuild")
    try expectAll(stage)
  }

  @Test("a database that knew more stays beside until gc finds the store whole")
  func formerDatabases() throws {
    let (stage, models) = try prepared()
    try Damage.emptyPack.hurt(stage, models["base"]!)
    try stage.expect("rebuild", status: 5)
    let kept = try Data(contentsOf: stage.url(".stemma/stemma.sqlite.before-rebuild"))
    try stage.expect("rebuild", status: 5)
    #expect(try Data(contentsOf: stage.url(".stemma/stemma.sqlite.before-rebuild")) == kept)
    #expect(!stage.exists(".stemma/stemma.sqlite.before-rebuild-2"))
    try stage.expect("import", "base")
    try stage.expect("gc", "--older-than", "0")
    #expect(!stage.exists(".stemma/stemma.sqlite.before-rebuild"))
    try expectAll(stage)
  }

  @Test("with --trust-store what is known is not read")
  func trusting() throws {
    let (stage, models) = try prepared()
    try Damage.flippedByte.hurt(stage, models["math"]!)
    try stage.expect("import", "math", "--base", "base", "--trust-store")
    try stage.expect("verify", status: 5)
    try stage.expect("import", "math", "--base", "base")
    try expectAll(stage)
  }
}
