import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("repack")
struct RepackTests {
  private static let steps = 6
  private static let matrix = "model.layers.0.mlp.weight"

  private static func flattened() throws -> Stage {
    let stage = try CheckpointRun.prepared(steps)
    try CheckpointRun.flatten(stage)
    return stage
  }

  /// The base of the matrix of each checkpoint, as the step that it is of.
  private static func bases(_ store: Repository) throws -> [Int?] {
    let matrices = try (0...steps).map { step in
      try #require(try store.tensorsByName(of: store.resolve("c\(step)"))[matrix]).digest
    }
    return try matrices.map { try store.lineage.object($0)?.base.flatMap(matrices.firstIndex) }
  }

  @Test("plain frames become deltas on the checkpoint before, as the dry run says, and a second time nothing does")
  func better() throws {
    let stage = try Self.flattened()
    let store = try stage.open()
    let before = try store.stats()
    let promise = try store.repack(dryRun: true)
    #expect(promise.isDry && promise.recoded > 0)
    #expect(try store.stats().packBytes == before.packBytes)
    let report = try store.repack()
    #expect(report.objects == before.objects && report.recoded == promise.recoded && report.rebased == promise.rebased)
    #expect(report.bytesBefore == promise.bytesBefore && report.bytesAfter == promise.bytesAfter)
    #expect(report.bytesAfter * 2 < report.bytesBefore)
    // The fifth has no room on the fourth.
    #expect(try Self.bases(store).prefix(5) == [nil, 0, 1, 2, 3])
    let after = try store.stats()
    #expect(after.objectBytes == before.objectBytes && before.garbageBytes == 0)
    #expect(after.garbageBytes > report.bytesBefore - report.bytesAfter && after.garbageBytes < before.packBytes)
    let again = try store.repack()
    #expect(again.recoded == 0 && again.bytesAfter == report.bytesAfter)
    #expect(try store.repack(dryRun: true).recoded == 0)
    try CheckpointRun.expectWhole(stage, Self.steps)
    // The old frames were garbage.
    #expect(try store.collect(olderThan: 0).bytes > 0)
    #expect(try store.stats().garbageBytes == 0)
    let packed = try store.stats().packBytes
    #expect(packed < report.bytesAfter + 200 * report.objects && packed * 2 < before.packBytes)
    try CheckpointRun.expectWhole(stage, Self.steps)
  }

  @Test("a long run takes what it would have taken if it had been imported well", arguments: [true, false])
  func longRun(isChain: Bool) throws {
    let steps = 16
    let stage = try Stage()
    for (step, model) in CheckpointRun.drift(steps).enumerated() {
      let base = step == 0 ? nil : "c\(isChain ? step - 1 : 0)"
      let folder = try stage.write("c\(step)", model)
      _ = try stage.open().importCheckpoint(at: folder, name: "c\(step)", base: base)
    }
    // What was chosen well stays, but for a few small tensors.
    let promise = try stage.open().repack(dryRun: true)
    let imported = promise.bytesBefore
    #expect((imported - promise.bytesAfter) * 100 < imported, "\(promise)")
    try CheckpointRun.flatten(stage)
    let store = try stage.open()
    let report = try store.repack()
    #expect(report.bytesAfter * 100 < imported * 103, "\(report.bytesAfter), imported \(imported)")
    #expect(try store.repack(dryRun: true).recoded == 0)
    try CheckpointRun.expectWhole(stage, steps)
  }

  @Test("files are coded anew too")
  func files() throws {
    let stage = try Stage()
    let folder = try stage.write("one", Stage.model(seed: 1))
    let text = String(repeating: "{\"merges\": [\"Ġ t\", \"Ġ a\"]}\n", count: 400)
    try text.write(toFile: folder + "/tokenizer.json", atomically: true, encoding: .utf8)
    _ = try stage.open().importCheckpoint(at: folder, name: "one", base: nil)
    try CheckpointRun.flatten(stage)
    let store = try stage.open()
    let object = Digest(of: Array(text.utf8))
    #expect(try #require(try store.lineage.object(object)).length > text.utf8.count)
    _ = try store.repack()
    #expect(try #require(try store.lineage.object(object)).length * 4 < text.utf8.count)
    _ = try store.export("one", to: stage.folder.path + "/out")
    #expect(try Stage.same(folder, stage.folder.path + "/out"))
  }

  @Test("who reads meanwhile, or has an object open, reads on")
  func readers() throws {
    let stage = try Self.flattened()
    let other = try stage.open()
    let tensor = try #require(try other.tensorsByName(of: other.resolve("c3"))[Self.matrix])
    let reader = try #require(try other.openObject(tensor.digest))
    #expect(try stage.open().repack().recoded > 0)
    var bytes = [UInt8](repeating: 0, count: reader.size)
    try bytes.withUnsafeMutableBytes { out in
      try other.spaces.withWorkspace { try reader.read(at: 0, into: out, $0) }
    }
    #expect(Digest(of: bytes) == tensor.digest)
    _ = try other.export("c4", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/c4", stage.folder.path + "/out"))
  }

  @Test("a rebuild between repack and gc takes the small frames, within the limit, and all comes back")
  func rebuilt() throws {
    let stage = try Self.flattened()
    let report = try stage.open().repack()
    let counts = try stage.open().lineage.counts()
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    let rebuilt = try stage.open().lineage.counts()
    #expect(rebuilt.frameBytes == report.bytesAfter && rebuilt.objects == counts.objects)
    #expect(rebuilt.deltas == counts.deltas && rebuilt.deepest == counts.deepest)
    try CheckpointRun.expectWhole(stage, Self.steps)
    _ = try stage.open().collect(olderThan: 0)
    try CheckpointRun.expectWhole(stage, Self.steps)
    #expect(try stage.open().repack().recoded == 0)
  }

  @Test("a cut at any step loses nothing, and the next run goes on where this one was")
  func cuts() throws {
    let prepared = try Self.flattened()
    let whole = try prepared.open().repack(dryRun: true).recoded
    var (finished, resumed) = (false, false)
    for cut in 0..<500 where !finished {
      let stage = try Stage(copyOf: prepared)
      try FileManager.default.createDirectory(
        atPath: stage.folder.path + "/graveyard", withIntermediateDirectories: true)
      let disk = LosingDisk(cut: cut, graveyard: stage.folder.path + "/graveyard")
      do {
        // Batches of one model or two.
        _ = try stage.open(storage: disk).repack(dryRun: false, batchBytes: 40_000)
        finished = true
      } catch let error as RepositoryError {
        #expect(error.kind == .io, "cut \(cut): \(error)")
      }
      try disk.loseUnsynced()
      #expect(try stage.open().verify(full: true).damage.isEmpty, "cut \(cut)")
      let rest = try stage.open().repack().recoded
      #expect(finished ? rest == 0 : rest <= whole, "cut \(cut): \(rest) of \(whole)")
      resumed = resumed || rest > 0 && rest < whole
      if cut % 7 == 0 || finished { try CheckpointRun.expectWhole(stage, Self.steps, "cut \(cut)") }
      _ = try stage.open().collect(olderThan: 0)
      #expect(try stage.open().verify(full: true).damage.isEmpty, "cut \(cut), collected")
      #expect(try stage.open().verify().garbage.isEmpty, "cut \(cut)")
    }
    #expect(finished && resumed)
  }

  @Test("an object that is not what its digest says is not coded anew: corrupt, and its frame stays")
  func damaged() throws {
    let stage = try CheckpointRun.prepared(2)
    let store = try stage.open()
    let hurt = try #require(try store.tensorsByName(of: store.resolve("c1"))[Self.matrix]).digest
    let flat = try Stage(copyOf: stage)
    try CheckpointRun.flatten(flat, hurt: hurt)
    let damaged = try flat.open()
    let before = try damaged.lineage.object(hurt)
    #expect { try damaged.repack() } throws: { error in
      guard let error = error as? RepositoryError else { return false }
      return error.kind == .corrupt && error.message.contains(hurt.hex)
    }
    #expect(try damaged.lineage.object(hurt) == before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: flat.store + "/tmp").isEmpty)
  }

  @Test("an import whose base has got a longer chain meanwhile is a conflict that can be tried again")
  func deepened() {
    let error = LineageError.depthExceeded(object: Digest(of: [1]), limit: Repository.depthLimit)
    let refusal = RepositoryError(translating: error)
    #expect(refusal.kind == .conflict && refusal.hint?.contains("repacked") == true)
  }

  @Test("an interrupted run says so and leaves no partial file")
  func interrupted() throws {
    let stage = try Self.flattened()
    let store = try stage.open()
    store.interrupt()
    #expect { try store.repack() } throws: { ($0 as? RepositoryError)?.isInterruption == true }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
    try CheckpointRun.expectWhole(stage, Self.steps)
  }

  @Test("merges that could be evicted are no bases; what was made of one is coded on its inputs")
  func merges() throws {
    let stage = try CheckpointRun.prepared(2)
    do {
      let store = try stage.open()
      let recipe = averageRecipe.replacingOccurrences(of: "model: one", with: "model: c1")
        .replacingOccurrences(of: "model: two", with: "model: c2")
      _ = try store.merge(recipe: recipe, relativeTo: "/", name: "fused", keepBytes: true)
      let path = stage.folder.path + "/tuned"
      _ = try store.export("fused", to: path)
      let file = URL(fileURLWithPath: path + "/model.safetensors")
      var bytes = try Data(contentsOf: file)
      for at in stride(from: bytes.count - 6000, to: bytes.count, by: 40) { bytes[at] ^= 1 }
      try bytes.write(to: file)
      _ = try store.importCheckpoint(at: path, name: "tuned", base: "fused")
    }
    try CheckpointRun.flatten(stage)
    let store = try stage.open()
    #expect(try store.repack().recoded > 0)
    let matrices = try ["fused", "tuned"].map {
      try #require(try store.tensorsByName(of: store.resolve($0))[Self.matrix]).digest
    }
    #expect(matrices[0] != matrices[1])
    for matrix in matrices { #expect(try store.lineage.object(matrix)?.base != nil) }
    #expect(try store.lineage.deltas(on: matrices[0]).isEmpty)
    #expect(try store.evict("fused").state == "virtual")
    _ = try store.export("tuned", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/tuned", stage.folder.path + "/out"))
  }
}
