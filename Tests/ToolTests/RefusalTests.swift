import Foundation
import Testing

@Suite("what the program refuses", .serialized)
struct RefusalTests {
  @Test("bad checkpoints are invalid input, and change nothing")
  func badCheckpoints() throws {
    let stage = try Stage.furnished()
    let before = try stage.expect("list", "--all", "--json").output
    let good = TinyCheckpoint(seed: 5).file
    var long = good
    long.replaceSubrange(0..<8, with: [0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0])
    for bytes in [long, good.dropLast(), good + [0], Data(), Data("hello".utf8)] {
      try stage.add(TinyCheckpoint(seed: 5), as: "bad")
      try bytes.write(to: stage.url("bad/model.safetensors"))
      try stage.expect("import", "bad", "--name", "bad", status: 2)
    }
    try stage.expect("import", "recipe.yml", status: 2)
    try FileManager.default.createDirectory(at: stage.url("nothing"), withIntermediateDirectories: true)
    try stage.expect("import", "nothing", status: 2)
    #expect(try stage.expect("list", "--all", "--json").output == before)
    try stage.expect("verify")
  }

  @Test("bad recipes are invalid input, and change nothing")
  func badRecipes() throws {
    let stage = try Stage.furnished()
    let good = Stage.recipe(base: "base", "math", "code")
    let bad = [
      good + "wieght: 1\n", good.replacingOccurrences(of: "task_arithmetic", with: "magic"),
      good.replacingOccurrences(of: "weight: 0.6", with: "density: 0.6"), "models: [", "",
    ]
    for text in bad {
      try stage.write(text, to: "bad.yml")
      try stage.expect("plan", "bad.yml", status: 2)
      try stage.expect("merge", "bad.yml", "--name", "bad", status: 2)
    }
    try stage.expect("show", "bad", status: 3)
  }

  @Test("what is not there is not found")
  func missing() throws {
    let stage = try Stage.furnished()
    try stage.expect("show", "nobody", status: 3)
    try stage.expect("export", "nobody", "out", status: 3)
    try stage.expect("import", "base", "--base", "nobody", status: 3)
    try stage.expect("merge", "nowhere.yml", "--name", "x", status: 3)
    try stage.expect("list", "--store", "nowhere", status: 3)
    #expect(!stage.exists("out"))
  }

  @Test("what is taken is a conflict")
  func conflicts() throws {
    let stage = try Stage.furnished()
    try stage.expect("init", status: 4)
    try stage.add(TinyCheckpoint(seed: 7), as: "other")
    try stage.expect("import", "other", "--name", "math", status: 4)
    try stage.expect("tag", "code", "Math", status: 4)
  }

  @Test("a folder with something in it is no place for an export")
  func occupied() throws {
    let stage = try Stage.furnished()
    try FileManager.default.createDirectory(at: stage.url("place/out"), withIntermediateDirectories: true)
    try stage.expect("export", "math", "place/out")
    try FileManager.default.removeItem(at: stage.url("place/out"))
    try FileManager.default.createDirectory(at: stage.url("place/out"), withIntermediateDirectories: true)
    try stage.write("mine", to: "place/out/file")
    try stage.expect("export", "math", "place/out", status: 4)
    #expect(try stage.names(in: "place") == ["out"])
    #expect(try stage.names(in: "place/out") == ["file"])
  }

  @Test("a store of a newer format is not touched")
  func newer() throws {
    let stage = try Stage()
    try stage.expect("init")
    try stage.write("format: 99\n", to: ".stemma/config.yml")
    try stage.expect("list", status: 6)
  }

  @Test("a byte that changed in a pack is found, and a hurt model is not exported")
  func damage() throws {
    let stage = try Stage.furnished()
    let pack = try #require(try stage.files(under: ".stemma/packs").keys.sorted().first)
    let url = stage.url(".stemma/packs/\(pack)")
    var bytes = try Data(contentsOf: url)
    bytes[bytes.count / 2] ^= 0x10
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: url.path)
    try bytes.write(to: url)
    let found = try stage.expect("verify", status: 5)
    #expect(found.output.contains("damaged: ") && found.output.contains("hurts: "))
    let exports = try ["base", "math", "code"].map { try stage.run("export", $0, "place/\($0)").status }
    #expect(exports.contains(5) && exports.allSatisfy { $0 == 0 || $0 == 5 })
    let kept = zip(["base", "math", "code"], exports).filter { $0.1 == 0 }.map(\.0)
    #expect((stage.exists("place") ? try stage.names(in: "place") : []) == kept.sorted())
  }
}
