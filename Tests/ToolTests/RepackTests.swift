import Foundation
import Glibc
import Testing

@Suite("repack and stats, with the real program", .serialized)
struct RepackTests {
  /// A store with a merge that was stored as deltas on the base, though it is nearer to `math`.
  private static func furnished(_ checkpoint: TinyCheckpoint? = nil) throws -> Stage {
    let stage = try Stage()
    let base = checkpoint ?? TinyCheckpoint(seed: 1)
    try stage.add(base, as: "base")
    try stage.add(base.tuned(seed: 2), as: "math")
    try stage.expect("init")
    try stage.expect("import", "base", "--name", "base")
    try stage.expect("import", "math", "--name", "math", "--base", "base")
    let recipe = """
      merge_method: task_arithmetic
      base_model: base
      models: [{model: math, parameters: {weight: 0.8}}]
      dtype: bfloat16
      """
    try stage.write(recipe, to: "close.yml")
    try stage.expect("merge", "close.yml", "--name", "close", "--stored")
    try stage.expect("export", "close", "whole")
    return stage
  }

  private func expectWhole(_ stage: Stage, _ context: Comment? = nil) throws {
    try stage.expect("verify", "--full")
    let names = ["base": "base", "math": "math", "close": "whole"]
    for (name, folder) in names {
      let out = "out/\(UUID().uuidString)"
      try stage.expect("export", name, out)
      #expect(try stage.files(under: out) == stage.files(under: folder), context)
    }
  }

  @Test("what a dry run promises comes true, then there is nothing to do, and gc frees the old frames")
  func repack() throws {
    let stage = try Self.furnished()
    let promise = try stage.expect("repack", "--dry-run", "--json").json()
    #expect(promise["recoded"] as? Int ?? 0 > 0 && promise["dry_run"] as? Bool == true)
    #expect(try stage.expect("stats", "--repack").output.contains("a repack would re-code"))
    let done = try stage.expect("repack", "--json").json()
    for key in ["objects", "recoded", "rebased", "bytes_before", "bytes_after"] {
      #expect(done[key] as? Int == promise[key] as? Int, "\(key)")
    }
    #expect(done["bytes_after"] as? Int ?? .max < done["bytes_before"] as? Int ?? 0)
    let again = try stage.expect("repack")
    #expect(again.output.hasPrefix("re-coded nothing of "))
    #expect(again.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    try expectWhole(stage)
    #expect(try stage.expect("gc", "--older-than", "0", "--json").json()["bytes"] as? Int ?? 0 > 0)
    try expectWhole(stage)
  }

  @Test("says in 80 columns what it did, and where the space comes back")
  func text() throws {
    let stage = try Self.furnished()
    for words in [["repack", "--dry-run"], ["repack"]] {
      let outcome = try stage.start(words).wait()
      #expect(outcome.status == 0 && outcome.output.contains("re-code"))
      #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(outcome.output)")
      #expect(outcome.errors.contains("stemma gc") == (words.count == 1))
    }
  }

  @Test("a repack that is killed leaves a clean store, and can be run again", arguments: [5, 30, 80, 150, 300])
  func killed(milliseconds: UInt32) throws {
    let large = TinyCheckpoint(seed: 11, shapes: (0..<12).map { ("layers.\($0).weight", 256, 512) })
    let stage = try Self.furnished(large)
    let run = try stage.start(["repack"])
    usleep(milliseconds * 1000)
    kill(run.process, SIGKILL)
    let status = try run.wait().status
    #expect(status == 0 || status == 128 + SIGKILL)
    try expectWhole(stage, "after \(milliseconds) ms")
    try stage.expect("repack")
    #expect(try stage.expect("repack", "--json").json()["recoded"] as? Int == 0)
    try stage.expect("rebuild")
    try stage.expect("gc", "--older-than", "0")
    try expectWhole(stage, "after \(milliseconds) ms, again")
    #expect(!(try stage.expect("verify").output.contains("garbage")))
  }

  @Test("beside a repack others import, export and repack too")
  func together() throws {
    let large = TinyCheckpoint(seed: 11, shapes: (0..<12).map { ("layers.\($0).weight", 256, 512) })
    let stage = try Self.furnished(large)
    try stage.add(large.tuned(seed: 4), as: "code")
    let runs = try [
      stage.start(["repack"]), stage.start(["import", "code", "--name", "code", "--base", "base"]),
      stage.start(["repack"]), stage.start(["export", "close", "beside"]),
    ]
    for run in runs {
      let outcome = try run.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    #expect(try stage.files(under: "beside") == stage.files(under: "whole"))
    try expectWhole(stage)
    try stage.expect("gc", "--older-than", "0")
    try expectWhole(stage)
    try stage.expect("export", "code", "out/code")
    #expect(try stage.files(under: "out/code") == stage.files(under: "code"))
  }

  @Test("stats --bytes adds up to the frames and to the objects, by codec and by kind, in 80 columns")
  func stats() throws {
    let stage = try Self.furnished()
    let plain = try stage.expect("stats", "--json").json()
    #expect(plain["codecs"] == nil && plain["repack"] == nil)
    let report = try stage.expect("stats", "--bytes", "--json").json()
    let codecs = try #require(report["codecs"] as? [[String: Any]])
    let kinds = try #require(report["kinds"] as? [[String: Any]])
    func sum(_ rows: [[String: Any]], _ key: String) -> Int { rows.reduce(0) { $0 + ($1[key] as? Int ?? 0) } }
    #expect(sum(kinds, "objects") == report["objects"] as? Int)
    #expect(sum(kinds, "raw_bytes") == report["object_bytes"] as? Int)
    #expect(sum(codecs, "raw_bytes") == report["object_bytes"] as? Int)
    #expect(sum(codecs, "coded_bytes") < sum(kinds, "packed_bytes"))
    #expect(sum(kinds, "packed_bytes") < report["pack_bytes"] as? Int ?? 0)
    for codec in ["raw", "planes", "delta", "equal"] { #expect(codecs.contains { $0["codec"] as? String == codec }) }
    let onBases = codecs.filter { !["raw", "planes"].contains($0["codec"] as? String) }
    #expect(sum(onBases, "blocks") > 0 && sum(onBases, "coded_bytes") < sum(onBases, "raw_bytes"))
    for (kind, count) in [("embedding", 3), ("mlp", 6), ("norm", 3)] {
      #expect(kinds.contains { $0["kind"] as? String == kind && $0["objects"] as? Int == count }, "\(kind)")
    }
    let text = try stage.expect("stats", "--bytes").output
    #expect(text.contains("embedding") && text.contains("planes"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }
}
