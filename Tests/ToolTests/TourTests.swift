import Foundation
import Testing

@Suite("the tour, with the real program", .serialized)
struct TourTests {
  @Test("what was imported comes out byte for byte")
  func roundTrip() throws {
    let stage = try Stage.furnished()
    for name in ["base", "math", "code"] {
      try stage.expect("export", name, "out/\(name)")
      #expect(try stage.files(under: "out/\(name)") == stage.files(under: name))
    }
    try stage.expect("verify", "--full")
  }

  @Test("a declared base is used, and one that nobody named is found")
  func bases() throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.expect("init")
    try stage.expect("import", "base", "--name", "base")
    let math = try stage.expect("import", "math", "--name", "math", "--base", "base", "--json").json()
    #expect(math["base_choice"] as? String == "declared")
    let code = try stage.expect("import", "code", "--name", "code", "--json").json()
    #expect(code["base_choice"] as? String == "found")
    #expect(code["base"] as? String == "base")
    let again = try stage.expect("import", "code", "--json").json()
    #expect(again["already_stored"] as? Bool == true)
    #expect(again["id"] as? String == code["id"] as? String)
  }

  @Test("list, show and log say what is there and where it came from")
  func looking() throws {
    let stage = try Stage.furnished()
    let list = try stage.expect("list").output
    #expect(list.contains("math") && list.contains("stored"))
    #expect(list.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(try stage.expect("show", "math").output.contains("model.norm.weight"))
    let log = try stage.expect("log", "math").output
    #expect(log.hasPrefix("math") && log.contains("└─ base: base"))
    #expect(try stage.expect("log", "math", "--dot").output.hasPrefix("digraph"))
  }

  @Test("names come, move and go, and their history stays")
  func names() throws {
    let stage = try Stage.furnished()
    try stage.expect("tag", "math", "best")
    try stage.expect("tag", "code", "best", status: 4)
    try stage.expect("tag", "code", "best", "--force")
    try stage.expect("untag", "best")
    try stage.expect("untag", "best", status: 3)
    let events = try stage.expect("log", "--name", "best", "--json").json()["events"] as? [[String: Any]]
    #expect(events?.count == 3)
    #expect(events?.first?["id"] is NSNull)
  }

  @Test("an id or 8 digits of it will do for a name")
  func references() throws {
    let stage = try Stage.furnished()
    let models = try stage.expect("list", "--json").json()["models"] as? [[String: Any]]
    let id = try #require(models?.first?["id"] as? String)
    let whole = try stage.expect("show", id, "--json").output
    #expect(try stage.expect("show", String(id.prefix(8)), "--json").output == whole)
  }

  @Test("a merge is virtual, and its export agrees with a merge that used no store")
  func merge() throws {
    let stage = try Stage.furnished()
    #expect(try stage.expect("plan", "recipe.yml").output.contains("model.norm.weight"))
    let report = try stage.expect("merge", "recipe.yml", "--name", "fused", "--json").json()
    #expect(report["state"] as? String == "virtual")
    try stage.expect("export", "fused", "out/fused")
    let fused = try stage.files(under: "out/fused")
    #expect(fused["model.safetensors"]?.count ?? 0 > 10_000)
    #expect(fused["model.safetensors"] != (try stage.files(under: "base")["model.safetensors"]))

    try stage.write(Stage.recipe(base: "./base", "./math", "./code"), to: "paths.yml")
    try stage.expect("merge", "paths.yml", "--out", "out/direct")
    #expect(try stage.files(under: "out/direct")["model.safetensors"] == fused["model.safetensors"])

    let log = try stage.expect("log", "fused").output
    #expect(log.contains("task_arithmetic") && log.contains("0.6") && log.contains("(see above)"))
  }

  @Test("a merge without a store needs none, nor does its plan")
  func storeless() throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.write(Stage.recipe(base: "./base", "./math", "./code"), to: "paths.yml")
    try stage.expect("plan", "paths.yml")
    try stage.expect("merge", "paths.yml", "--out", "fused")
    #expect(try stage.names(in: "fused").contains("model.safetensors"))
    #expect(!stage.exists(".stemma"))
  }

  @Test("a merge with --stored gives the same model and keeps its bytes")
  func storedMerge() throws {
    let stage = try Stage.furnished()
    let kept = try stage.expect("merge", "recipe.yml", "--name", "kept", "--stored", "--json").json()
    #expect(kept["state"] as? String == "stored")
    let again = try stage.expect("merge", "recipe.yml", "--name", "again", "--json").json()
    #expect(kept["id"] as? String == again["id"] as? String)
    try stage.expect("export", "kept", "out")
  }

  @Test("removed models go with gc, but never what a merge rests on")
  func collect() throws {
    let stage = try Stage.furnished()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    try stage.add(TinyCheckpoint(seed: 9), as: "lone")
    try stage.expect("import", "lone", "--name", "lone")
    for name in ["lone", "math", "code", "base"] { try stage.expect("remove", name) }
    let planned = try stage.expect("gc", "--older-than", "0", "--dry-run", "--json").json()
    #expect(planned["models"] as? Int ?? 0 >= 1)
    let done = try stage.expect("gc", "--older-than", "0", "--json").json()
    #expect(done["objects"] as? Int ?? 0 > 0)
    try stage.expect("verify", "--full")
    try stage.expect("export", "fused", "out")
  }

  @Test("the database comes back from packs and documents, names and history too")
  func rebuild() throws {
    let stage = try Stage.furnished()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    try stage.expect("tag", "math", "best")
    try stage.expect("untag", "best")
    let questions = [
      ["list", "--all", "--json"], ["log", "fused", "--json"], ["log", "--name", "best", "--json"],
      ["show", "fused", "--json"], ["show", "math", "--json"],
    ]
    let before = try questions.map { try stage.start($0).wait().output }
    for name in try stage.names(in: ".stemma") where name.hasPrefix("stemma.sqlite") {
      try FileManager.default.removeItem(at: stage.url(".stemma/\(name)"))
    }
    try stage.expect("rebuild")
    #expect(try questions.map { try stage.start($0).wait().output } == before)
    try stage.expect("verify", "--full")
    try stage.expect("export", "fused", "out")
  }

  @Test("rebuild works after a gc took a model whose names are history")
  func rebuildAfterCollect() throws {
    let stage = try Stage.furnished()
    try stage.expect("remove", "math")
    try stage.expect("gc", "--older-than", "0")
    let before = try stage.expect("log", "--name", "math", "--json").output
    try stage.expect("rebuild")
    #expect(try stage.expect("log", "--name", "math", "--json").output == before)
    #expect(!(try stage.expect("verify").output.contains("garbage")))
  }

  @Test("an import that is done can be asked for again, by the same name")
  func importAgain() throws {
    let stage = try Stage.furnished()
    try stage.expect("import", "math", "--name", "math")
    #expect((try stage.expect("list", "--all", "--json").json()["models"] as? [Any])?.count == 3)
  }

  @Test("a backup is a store")
  func backup() throws {
    let stage = try Stage.furnished()
    try stage.expect("backup", "copy")
    try stage.expect("verify", "--full", "--store", "copy")
    try stage.expect("export", "math", "out", "--store", "copy")
    #expect(try stage.files(under: "out") == stage.files(under: "math"))
    #expect(
      try stage.run("list", environment: ["STEMMA_STORE": stage.url("copy").path]).output.contains("math"))
  }
}
