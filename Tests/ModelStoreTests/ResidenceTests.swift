import Foundation
import JSON
import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("evict and materialise")
struct ResidenceTests {
  /// A store of `one` and `two` and the bytes of their merge `fused`, which lies exported in `whole`.
  private static func prepared() throws -> Stage {
    let stage = try CrashConsistencyTests.prepared()
    let store = try stage.open()
    _ = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused", keepBytes: true)
    _ = try store.export("fused", to: stage.folder.path + "/whole")
    return stage
  }

  private static func expectWhole(_ stage: Stage, state: String, _ context: Comment? = nil) throws {
    let store = try stage.open()
    #expect(try store.show("fused").summary.state == state, context)
    let damage = try store.verify(full: true).damage
    #expect(damage.isEmpty, "\(context?.description ?? ""): \(damage)")
    let out = "\(stage.folder.path)/out-\(UInt64.random(in: 0 ... .max))"
    _ = try store.export("fused", to: out)
    #expect(try Stage.same(stage.folder.path + "/whole", out), context)
  }

  private static func answers(_ stage: Stage) throws -> [String] {
    let store = try stage.open()
    return try store.list(all: true).flatMap {
      [$0.json.pretty(), try store.show($0.id).json.pretty(), try store.log($0.id).json.pretty()]
    }
  }

  private func refusal(_ body: () throws -> Void) -> RepositoryError? {
    do {
      try body()
      return nil
    } catch { return error as? RepositoryError }
  }

  @Test("an evicted merge is virtual, gc wins its bytes, and rebuild agrees; materialised it is stored again")
  func thereAndBack() throws {
    let stage = try Self.prepared()
    let full = try stage.open().stats().packBytes
    let report = try stage.open().evict("fused")
    #expect(report.state == "virtual" && report.tensors == 3 && report.bytes > 0)
    try Self.expectWhole(stage, state: "virtual")
    let collected = try stage.open().collect(olderThan: 0)
    #expect(collected.bytes > 0 && collected.models == 0 && collected.modelsAbsent == 0)
    #expect(try stage.open().stats().packBytes < full)
    try Self.expectWhole(stage, state: "virtual")
    let before = try Self.answers(stage)
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    #expect(try Self.answers(stage) == before)

    let back = try stage.open().materialise("fused")
    #expect(back.state == "stored" && back.tensors == 3 && back.bytes > 0)
    try Self.expectWhole(stage, state: "stored")
    #expect(try stage.open().stats().packBytes <= full)
    #expect(try stage.open().collect(olderThan: 0).bytes == 0)
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    try Self.expectWhole(stage, state: "stored")
  }

  @Test("a second time there is nothing to do")
  func twice() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    #expect(try store.materialise("fused").tensors == 0)
    _ = try store.evict("fused")
    let again = try store.evict("fused")
    #expect(again.tensors == 0 && again.state == "virtual")
  }

  @Test("materialised tensors are deltas on the base, as those of merge --stored")
  func deltas() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    let before = try store.stats().deltaObjects
    _ = try store.evict("fused")
    #expect(try store.stats().deltaObjects < before)
    _ = try store.materialise("fused")
    #expect(try store.stats().deltaObjects == before)
  }

  @Test("tensors that another model has too stay, with its bytes; the pack keeps none of the others after gc")
  func shared() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    // Most of the weights, so that gc would leave the pack for its garbage alone.
    let name = "model.layers.0.mlp.weight"
    let folder = stage.folder.path + "/part"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try store.exportTensors("fused", tensors: [name], to: folder + "/model.safetensors")
    _ = try store.importCheckpoint(at: folder, name: "part", base: nil)
    #expect(try store.evict("fused").tensors == 2)
    let collected = try store.collect(olderThan: 0)
    #expect(collected.packsRewritten == 1)
    #expect(try store.collect(olderThan: 0).bytes == 0)
    try Self.expectWhole(stage, state: "virtual")
    _ = try store.export("part", to: stage.folder.path + "/part-out")
    #expect(try Stage.same(folder, stage.folder.path + "/part-out"))
  }

  @Test("after evict, gc and rebuild of shared packs the answers are the same")
  func rebuilt() throws {
    let stage = try Self.prepared()
    do {
      let store = try stage.open()
      let folder = stage.folder.path + "/part"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      _ = try store.exportTensors(
        "fused", tensors: ["model.layers.0.mlp.weight"], to: folder + "/model.safetensors")
      _ = try store.importCheckpoint(at: folder, name: "part", base: nil)
      _ = try store.evict("fused")
      _ = try store.collect(olderThan: 0)
    }
    let before = try Self.answers(stage)
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    #expect(try Self.answers(stage) == before)
    try Self.expectWhole(stage, state: "virtual")
  }

  @Test("what cannot be computed again, or what others rest on, is not evicted, and the error says why")
  func refusals() throws {
    let stage = try Self.prepared()
    let imported = refusal { _ = try stage.open().evict("one") }
    #expect(imported?.kind == .conflict && imported?.message.contains("import") == true)

    var tuned = Stage.model(seed: 1)
    let store = try stage.open()
    for index in tuned.indices {
      var bytes: [UInt8] = []
      try store.readRange("fused", of: .tensor(tuned[index].name), from: 0, to: nil) { bytes += $0 }
      bytes[bytes.count / 2] ^= 1
      tuned[index] = Stage.Content(
        name: tuned[index].name, dtype: .bf16, shape: tuned[index].shape, bytes: bytes)
    }
    let report = try store.importCheckpoint(at: try stage.write("tuned", tuned), name: "tuned", base: "fused")
    #expect(report.tensorsDelta > 0)
    let needed = refusal { _ = try store.evict("fused") }
    #expect(needed?.kind == .conflict && needed?.message.contains("tuned") == true && needed?.hint != nil)
    try Self.expectWhole(stage, state: "stored")

    for name in ["two", "tuned"] { _ = try store.remove(name) }
    _ = try store.collect(olderThan: 0)
    let orphan = refusal { _ = try store.evict("fused") }
    #expect(orphan?.kind == .conflict && orphan?.message.contains("absent") == true)
    try Self.expectWhole(stage, state: "stored")
    #expect(refusal { _ = try store.materialise("two") }?.kind == .notFound)
  }

  @Test("with a damaged input nothing is dropped and nothing kept")
  func damage() throws {
    for isStored in [true, false] {
      let stage = try Self.prepared()
      let store = try stage.open()
      if !isStored { _ = try store.evict("fused") }
      let norm = try #require(try store.tensorsByName(of: store.resolve("one"))["model.norm.weight"])
      let row = try #require(try store.lineage.object(norm.digest))
      let path = store.layout.pack(row.packDigest.hex)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      bytes[row.offset + 9] ^= 1
      try bytes.write(to: URL(fileURLWithPath: path))
      let objects = try store.stats().objects
      let error = refusal { _ = try isStored ? store.evict("fused") : store.materialise("fused") }
      #expect(error?.kind == .corrupt)
      #expect(try store.stats().objects == objects)
      #expect(try store.show("fused").summary.state == (isStored ? "stored" : "virtual"))
    }
  }

  @Test("evict needs the store to itself")
  func alone() throws {
    let stage = try Self.prepared()
    let other = try stage.open()
    #expect(refusal { _ = try stage.open().evict("fused") }?.kind == .conflict)
    withExtendedLifetime(other) {}
  }

  @Test("a cut at any step of materialise leaves a clean store, and it can be run again")
  func cuts() throws {
    var finished = false
    for cut in 0..<100 where !finished {
      let stage = try Self.prepared()
      _ = try stage.open().evict("fused")
      // Else the pack is still there, and the new one would be the same file.
      _ = try stage.open().collect(olderThan: 0)
      let disk = LosingDisk(cut: cut, graveyard: stage.folder.path + "/graveyard")
      do {
        _ = try stage.open(storage: disk).materialise("fused")
        finished = true
      } catch let error as RepositoryError {
        #expect(error.kind == .io, "cut \(cut): \(error)")
      }
      try disk.loseUnsynced()
      try Self.expectWhole(stage, state: finished ? "stored" : "virtual", "cut \(cut)")
      _ = try stage.open().materialise("fused")
      try Self.expectWhole(stage, state: "stored", "cut \(cut), run again")
    }
    #expect(finished)
  }
}
