import Foundation
import Glibc
import Testing

@Suite("what the program does where something runs out", .serialized)
struct LimitTests {
  @Test("a checkpoint larger than 400 MB goes in and out with less memory than that, though it is one tensor")
  func memory() throws {
    let stage = try Stage()
    try stage.addMostlyZeros(as: "large", bytes: 512 << 20)
    try stage.expect("init")
    for words in [["import", "large", "--name", "large"], ["export", "large", "out"]] {
      let run = try stage.start(words)
      var peak = 0
      while run.isRunning {
        peak = max(peak, run.peakMemory ?? 0)
        usleep(2000)
      }
      let outcome = try run.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(peak > 1 << 20 && peak < 400_000_000, "\(words): \(peak) bytes")
    }
    #expect(
      FileManager.default.contentsEqual(
        atPath: stage.url("large/model.safetensors").path, andPath: stage.url("out/model.safetensors").path))
  }

  @Test("1 MB out of a merge of 1 GB reads less than 20 MB, whatever the process reads")
  func range() throws {
    let stage = try Stage()
    try stage.addMostlyZeros(as: "large", bytes: 1 << 30)
    try stage.write(
      "merge_method: linear\nmodels: [{model: large, parameters: {weight: 0.5}}]\nparameters: {normalize: false}\n",
      to: "recipe.yml")
    try stage.expect("init")
    try stage.expect("import", "large", "--name", "large")
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    // Noise throughout, which no codec makes small.
    let start = 48 << 20
    let run = try stage.start([
      "export", "fused", "part", "--tensor", "weight", "--range", "\(start):\(start + 1_000_000)",
    ])
    let read = try run.bytesRead()
    #expect(try run.wait().status == 0)
    #expect(read > 1_000_000 && read < 20_000_000, "\(read) bytes read")
    let part = try Data(contentsOf: stage.url("part"))
    #expect(part.count == 1_000_000 && part.contains { $0 != 0 })
  }

  @Test("files that may not grow any more are exit 7 in one line, and nothing is lost")
  func fileSizes() throws {
    let stage = try Stage.furnished()
    try stage.add(TinyCheckpoint(seed: 11, shapes: (0..<4).map { ("layers.\($0).weight", 256, 512) }), as: "large")
    let before = try stage.expect("list", "--all", "--json").output
    var refused = 0
    // From a limit that stops the database to one that stops only the pack.
    for limit in [1, 8, 32, 63, 65, 90, 128, 256, 1024] {
      for words in [["import", "large", "--name", "large"], ["export", "math", "out"], ["backup", "out"]] {
        let outcome = try stage.start(words, fileLimit: limit).wait()
        #expect(outcome.status == 7 || outcome.status == 0, "\(limit), \(words): \(outcome)")
        #expect(stage.exists("out") == (outcome.status == 0 && words[0] != "import"), "\(limit), \(words)")
        try? FileManager.default.removeItem(at: stage.url("out"))
        guard outcome.status != 0 else { continue }
        refused += 1
        #expect(outcome.isOneComplaint, "\(limit), \(words): \(outcome.errors)")
      }
      try stage.expect("verify", "--full")
    }
    #expect(refused > 10)
    #expect(try stage.expect("list", "--all", "--json").output == before)
    #expect(try stage.names(in: ".").filter { $0.contains(".partial") } == [])
    try stage.expect("import", "large", "--name", "large")
    try stage.expect("export", "large", "out")
    #expect(try stage.files(under: "out") == stage.files(under: "large"))
    try stage.expect("gc", "--older-than", "0")
    #expect(!(try stage.expect("verify").output.contains("garbage")))
  }

  @Test("writing to a store that this user may not write is exit 7, and changes nothing", .enabled(if: getuid() != 0))
  func readOnly() throws {
    let stage = try Stage.furnished()
    try stage.add(TinyCheckpoint(seed: 11), as: "other")
    let before = try stage.expect("list", "--all", "--json").output
    let folders = [".stemma", ".stemma/packs", ".stemma/documents", ".stemma/tmp"]
    func allow(_ mode: Int) throws {
      for folder in folders {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: stage.url(folder).path)
      }
    }
    try allow(0o555)
    defer { try? allow(0o755) }
    try stage.expect("import", "other", "--name", "other", status: 7)
    try stage.expect("merge", "recipe.yml", "--name", "fused", status: 7)
    try stage.expect("remove", "math", status: 7)
    try stage.expect("gc", "--older-than", "0", status: 7)
    #expect(try stage.expect("list", "--all", "--json").output == before)
    try allow(0o755)
    try stage.expect("import", "other", "--name", "other")
    try stage.expect("verify", "--full")
  }

  @Test("an output folder that cannot be made is exit 7", .enabled(if: getuid() != 0))
  func closedFolder() throws {
    let stage = try Stage.furnished()
    let place = stage.url("place")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: place.path)
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.path) }
    try stage.expect("export", "math", "place/out", status: 7)
    #expect(try stage.names(in: "place") == [])
  }
}
