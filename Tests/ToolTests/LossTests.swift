import Foundation
import Glibc
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

  @Test("what a document says that is missing is damage, with what to do")
  func missingDocument() throws {
    let (stage, models) = try prepared()
    try Damage.missingManifest.hurt(stage, models["math"]!)
    for words in [["show", "math"], ["export", "math", "out"], ["diff", "math", "base"]] {
      let outcome = try stage.start(words).wait()
      #expect(outcome.status == 5 && outcome.errors.contains("hint: "), "\(words): \(outcome)")
    }
    try stage.expect("gc", "--older-than", "0", status: 5)
    #expect(try stage.expect("verify", status: 5).output.contains("heals: "))
  }

  @Test("a pack that is gone is one line, with the models that it hurts and what heals")
  func oneLine() throws {
    let (stage, models) = try prepared()
    try Damage.missingPack.hurt(stage, models["base"]!)
    let lines = try stage.expect("verify", status: 5).output.split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.contains(models["base"]!.pack) }.count == 1, "\(lines)")
    let place = try #require(lines.firstIndex { $0.contains("pack is missing") })
    #expect(lines[place + 1] == "  hurts: base, code, math", "\(lines)")
    #expect(lines[place + 2].hasPrefix("  heals: import"), "\(lines)")
  }

  @Test("nothing is written into a store's own folder", arguments: [".stemma/x", ".stemma/packs/yy"])
  func insideStore(_ path: String) throws {
    let (stage, _) = try prepared()
    try stage.expect("export", "base", path, status: 4)
    try stage.expect("backup", path, status: 4)
    #expect(!stage.exists(path))
  }

  @Test("a store whose path is too long for SQLite is refused, and nothing is left")
  func longPath() throws {
    let stage = try Stage()
    let folder = (0..<5).map { _ in String(repeating: "x", count: 100) }.joined(separator: "/")
    let outcome = try stage.expect("init", folder, status: 2)
    #expect(outcome.errors.contains("path of at most"), "\(outcome.errors)")
    #expect(!stage.exists(folder))
  }

  @Test("Ctrl-C in rebuild and backup ends with 130 and leaves no draft", arguments: ["rebuild", "backup copy"])
  func interrupted(_ verb: String) throws {
    let (stage, _) = try prepared()
    try stage.addMostlyZeros(as: "large", bytes: 1 << 30)
    try stage.expect("import", "large", "--name", "large")
    var stopped = 0
    for milliseconds in [5, 10, 20, 40, 80] as [UInt32] {
      let run = try stage.start(verb.split(separator: " ").map(String.init))
      usleep(milliseconds * 1000)
      kill(run.process, SIGINT)
      let status = try run.wait().status
      #expect(status == 0 || status == 130, "\(status)")
      stopped += status == 130 ? 1 : 0
      #expect(stage.exists("copy") == (verb != "rebuild" && status == 0))
      #expect(try stage.names(in: ".stemma/tmp") == [])
      try? FileManager.default.removeItem(at: stage.url("copy"))
    }
    #expect(stopped > 0)
    try stage.expect("verify")
  }

  @Test("gc waits for those at work, and holds back those who come meanwhile")
  func queue() throws {
    let (stage, _) = try prepared()
    let lock = open(stage.url(".stemma/lock").path, O_RDWR | O_CLOEXEC)
    #expect(flock(lock, LOCK_SH) == 0)
    let collect = try stage.start(["gc", "--wait"])
    usleep(300_000)
    let list = try stage.start(["list"])
    usleep(700_000)
    #expect(collect.isRunning && list.isRunning)
    close(lock)
    #expect(try collect.wait().status == 0)
    #expect(try list.wait().status == 0)
  }

  @Test("purge deletes the bytes of a model from all packs; what rests on it stays whole, and the history says why")
  func purge() throws {
    let (stage, models) = try prepared()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    let refused = try stage.expect("purge", "base", "--reason", "licence revoked", "--yes", status: 4)
    #expect(refused.errors.contains("materialise"), "\(refused.errors)")
    try stage.expect("materialise", "fused")
    try stage.expect("export", "fused", "fused")
    try stage.expect("purge", "base", "--reason", "licence revoked", status: 4)
    let outcome = try stage.expect("purge", "base", "--reason", "licence revoked", "--yes")
    #expect(outcome.output.contains("stored 12 objects anew"), "\(outcome.output)")
    #expect(!stage.exists(".stemma/" + models["base"]!.pack))
    try stage.expect("export", "base", "out", status: 3)
    try stage.expect("export", models["base"]!.id, "out", status: 3)
    try expectAll(stage, ["math", "code", "fused"])
    #expect(try stage.expect("log", "math").output.contains(String(models["base"]!.id.prefix(12))))
    // It looks into every pack, and finds no frame of it.
    try stage.expect("rebuild")
    try stage.expect("export", models["base"]!.id, "out", status: 3)
    try expectAll(stage, ["math", "code", "fused"])
    try stage.expect("gc", "--older-than", "0")
    try expectAll(stage, ["math", "code", "fused"])
    let entries = try stage.files(under: ".stemma/documents").values.map { String(decoding: $0, as: UTF8.self) }
    #expect(entries.contains { $0.contains("licence revoked") })
  }

  @Test("a backup into a backup copies what is new, takes away what went, and is taken up again after Ctrl-C")
  func backups() throws {
    let (stage, _) = try prepared()
    try stage.expect("backup", "copy")
    let before = try stage.files(under: "copy/.stemma/packs")
    try stage.add(TinyCheckpoint(seed: 5), as: "other")
    try stage.expect("import", "other", "--name", "other")
    try stage.expect("remove", "code")
    try stage.expect("gc", "--older-than", "0")
    try stage.addMostlyZeros(as: "large", bytes: 512 << 20)
    try stage.expect("import", "large", "--name", "large")
    let run = try stage.start(["backup", "copy"])
    usleep(30_000)
    kill(run.process, SIGINT)
    #expect([0, 130].contains(try run.wait().status))
    // Cut off, it is the backup that it was.
    try stage.expect("verify", "--store", "copy")
    try stage.expect("backup", "copy")
    let after = try stage.files(under: "copy/.stemma/packs")
    let packs = try stage.files(under: ".stemma/packs")
    #expect(after == packs && after.keys.sorted() != before.keys.sorted())
    #expect(try stage.names(in: "copy/.stemma/tmp") == [])
    try stage.expect("verify", "--store", "copy")
    for name in ["base", "math", "other"] {
      try stage.expect("export", name, "out/\(name)", "--store", "copy")
      #expect(try stage.files(under: "out/\(name)") == stage.files(under: name))
    }
    try stage.expect("export", "code", "out/code", "--store", "copy", status: 3)
    // It is another store's, or it went on alone.
    try stage.expect("tag", "math", "alone", "--store", "copy")
    try stage.expect("backup", "copy", status: 4)
    try stage.expect("init", "strange")
    try stage.expect("backup", "strange", status: 4)
  }

  @Test("a copy of a store in use, part by part in the order of the format page, is whole after rebuild")
  func copiedInParts() throws {
    let (stage, _) = try prepared()
    let files = FileManager.default
    try files.createDirectory(at: stage.url("copy/.stemma"), withIntermediateDirectories: true)
    var names = ["base", "math", "code"]
    for (number, part) in ["stemma.sqlite", "config.yml", "heads", "entries", "documents", "packs"].enumerated() {
      for file in try stage.names(in: ".stemma") where file == part || file.hasPrefix(part + "-") {
        try files.copyItem(at: stage.url(".stemma/\(file)"), to: stage.url("copy/.stemma/\(file)"))
      }
      let name = "m\(number)"
      try stage.add(TinyCheckpoint(seed: 1).tuned(seed: UInt64(50 + number)), as: name)
      try stage.expect("import", name, "--name", name)
      if ["stemma.sqlite", "config.yml", "heads"].contains(part) { names.append(name) }
    }
    try stage.expect("rebuild", "--store", "copy")
    try stage.expect("verify", "--store", "copy")
    for name in names {
      try stage.expect("export", name, "out/\(name)", "--store", "copy")
      #expect(try stage.files(under: "out/\(name)") == stage.files(under: name))
    }
    try stage.expect("gc", "--older-than", "0", "--store", "copy")
    try stage.expect("verify", "--store", "copy")
  }

  @Test("packs and documents of another store that came without their entries are told, and stay")
  func copiedWithoutEntries() throws {
    let (stage, _) = try prepared()
    try stage.add(TinyCheckpoint(seed: 77), as: "strange")
    try stage.expect("init", "other")
    try stage.expect("import", "strange", "--name", "strange", "--store", "other")
    for folder in ["packs", "documents"] {
      for (path, bytes) in try stage.files(under: "other/.stemma/\(folder)") where path.contains("/") {
        let target = stage.url(".stemma/\(folder)/\(path)")
        try FileManager.default.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try bytes.write(to: target)
      }
    }
    #expect(try stage.expect("rebuild").output.contains("documents are of no event"))
    #expect(try stage.expect("gc").output.contains("too young to go"))
    // Their entries come too, and all is there.
    for (path, bytes) in try stage.files(under: "other/.stemma/entries") {
      let target = stage.url(".stemma/entries/\(path)")
      try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
      try bytes.write(to: target)
    }
    try stage.expect("rebuild")
    try expectAll(stage, ["base", "math", "code", "strange"])
  }

  @Test("gc beside writers takes no event that is under way for damage, and loses nothing")
  func collectBesideWriters() throws {
    let (stage, _) = try prepared()
    var writers = try (0..<3).map { try stage.start(["tag", "math", "t\($0)"]) }
    for number in 0..<12 {
      let collect = try stage.start(["gc", "--older-than", "0", "--wait"])
      while collect.isRunning {
        for index in writers.indices where !writers[index].isRunning {
          #expect(try writers[index].wait().status == 0)
          writers[index] = try stage.start(["tag", "code", "u\(number)-\(index)", "--force"])
        }
        usleep(1000)
      }
      let outcome = try collect.wait()
      #expect(outcome.status == 0, "\(outcome)")
    }
    for writer in writers { #expect(try writer.wait().status == 0) }
    try expectAll(stage)
  }
}
