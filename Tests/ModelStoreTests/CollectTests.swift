import Foundation
import Glibc
import Lineage
import Objects
import Synchronization
import TestSupport
import Testing

@testable import ModelStore

@Suite("gc")
struct CollectTests {
  /// A stage whose store holds `one`, `two` which was made from it, and `part`: the norm of `two` alone. When `two` has
  /// gone, next to nothing of its pack is needed.
  private static func prepared() throws -> Stage {
    let stage = try CrashConsistencyTests.prepared()
    let norm = Stage.model(seed: 1, tune: 5).filter { $0.name.contains("norm") }
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("part", norm), name: "part", base: nil)
    _ = try store.remove("two")
    return stage
  }

  private static func size(of folder: String) throws -> Int {
    try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.contains(".pack") || $0.contains(".json") && !$0.contains("entries/") }
      .reduce(0) { try $0 + (FileManager.default.attributesOfItem(atPath: "\(folder)/\($1)")[.size] as? Int ?? 0) }
  }

  /// That these models are as whole as their folders.
  private static func expectWhole(_ names: [String], _ stage: Stage, _ context: Comment? = nil) throws {
    let store = try stage.open()
    #expect(try store.verify().damage.isEmpty, context)
    for name in names {
      let out = "\(stage.folder.path)/out-\(UInt64.random(in: 0 ... .max))"
      _ = try store.export(name, to: out)
      #expect(try Stage.same("\(stage.folder.path)/\(name)", out), context)
    }
  }

  @Test("a pack of mostly garbage is written anew, as the dry run says, and all that is needed comes back")
  func rewrite() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    let before = try Self.size(of: stage.store)
    let promise = try store.collect(dryRun: true, olderThan: 0)
    #expect(try Self.size(of: stage.store) == before)
    let report = try store.collect(olderThan: 0)
    #expect(report.packsRewritten == 1)
    #expect(report.packs == 0)
    #expect(promise.packsRewritten == 1 && promise.bytes == report.bytes && promise.objects == report.objects)
    #expect(try before - Self.size(of: stage.store) == report.bytes)
    try Self.expectWhole(["one", "part"], stage)
    let again = try store.collect(olderThan: 0)
    #expect(again.packsRewritten == 0 && again.bytes == 0 && again.objects == 0)
  }

  @Test("a base that a delta needs moves with its pack")
  func movedBase() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("one", Stage.model(seed: 1)), name: "one", base: nil)
    let half = Stage.model(seed: 1, tune: 5).filter { $0.name.contains("embed") }
    let report = try store.importCheckpoint(at: try stage.write("half", half), name: "half", base: "one")
    #expect(report.tensorsDelta == 1)
    let other = Stage.model(seed: 9).filter { $0.name.contains("mlp") }
    _ = try store.importCheckpoint(at: try stage.write("large", half + other), name: "large", base: nil)
    for name in ["one", "half"] { _ = try store.remove(name) }
    let collected = try store.collect(olderThan: 0)
    #expect(collected.packsRewritten == 1)
    try Self.expectWhole(["large"], stage)
  }

  @Test("a pack of which half is needed stays as it is, with what else is in it")
  func kept() throws {
    let stage = try Stage()
    let store = try stage.open()
    let all = Stage.model(seed: 1)
    _ = try store.importCheckpoint(at: try stage.write("all", all), name: "all", base: nil)
    // The larger matrix: two thirds of the weights.
    _ = try store.importCheckpoint(
      at: try stage.write("most", all.filter { $0.name.contains("mlp") }), name: "most", base: nil)
    _ = try store.remove("all")
    let report = try store.collect(olderThan: 0)
    #expect(report.objects == 0 && report.packs == 0 && report.packsRewritten == 0)
    // The bytes of the base are still there, and so it is.
    #expect(report.models == 0 && report.modelsAbsent == 0)
    #expect(try store.log("most").nodes.map(\.state) == ["stored", "stored"])
    try Self.expectWhole(["most"], stage)
  }

  @Test("a cut at any step of a gc that rewrites a pack loses nothing, and gc can be run again")
  func cuts() throws {
    var rewritten = false
    for cut in 0..<200 where !rewritten {
      let stage = try Self.prepared()
      let disk = LosingDisk(cut: cut, graveyard: stage.folder.path + "/graveyard")
      do {
        rewritten = try stage.open(storage: disk).collect(olderThan: 0).packsRewritten == 1
      } catch let error as RepositoryError {
        #expect(error.kind == .io, "cut \(cut): \(error)")
      }
      try disk.loseUnsynced()
      try Self.expectWhole(["one", "part"], stage, "cut \(cut)")
      _ = try stage.open().collect(olderThan: 0)
      try Self.expectWhole(["one", "part"], stage, "cut \(cut), run again")
      #expect(try stage.open().verify().garbage.isEmpty)
    }
    #expect(rewritten)
  }

  @Test("a disk that is full at any step is exit 7, loses nothing and leaves no partial file")
  func fullDisk() throws {
    let prepared = try Self.prepared()
    for call in [FaultyDisk.Call.write, .sync] {
      for number in 1..<200 {
        let stage = try Stage(copyOf: prepared)
        let disk = FaultyDisk(failing: call, number: number, code: ENOSPC)
        do {
          _ = try stage.open(storage: disk).collect(olderThan: 0)
        } catch let error as RepositoryError {
          #expect(error.kind == .io && error.hint != nil, "\(call) \(number): \(error)")
        }
        guard disk.hasFailed else { break }
        try Self.expectWhole(["one", "part"], stage, "\(call) \(number)")
        let partial = try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp")
        #expect(partial.isEmpty, "\(call) \(number)")
        _ = try stage.open().collect(olderThan: 0)
        #expect(try stage.open().verify().garbage.isEmpty, "\(call) \(number)")
      }
    }
  }

  @Test("no file is removed while a row names it")
  func order() throws {
    let stage = try Self.prepared()
    let removed = Mutex<[String]>([])
    let disk = WatchedDisk { [database = stage.store + "/stemma.sqlite"] path in
      let lineage = try LineageDatabase(path: database, readOnly: true)
      let named = try lineage.packs().map(\.digest.hex) + lineage.snapshot { try $0.referencedDocuments() }.map(\.hex)
      #expect(!named.contains { path.contains($0) }, "\(path)")
      removed.withLock { $0.append(path) }
    }
    #expect(try stage.open(storage: disk).collect(olderThan: 0).packsRewritten == 1)
    #expect(removed.withLock { $0 }.contains { $0.hasSuffix(".pack") })
  }

  @Test("a damaged frame is not copied: gc says so and leaves the pack")
  func damaged() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    let norm = try #require(try store.tensorsByName(of: store.resolve("part"))["model.norm.weight"])
    let row = try #require(try store.lineage.object(norm.digest))
    let path = store.layout.pack(row.packDigest.hex)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[row.offset + 9] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect { try store.collect(olderThan: 0) } throws: { ($0 as? RepositoryError)?.kind == .corrupt }
    #expect(FileManager.default.fileExists(atPath: path))
    #expect(try store.verify().garbage.isEmpty)
  }

  @Test("gc removes folders that a crash has left in tmp, and compacts packs all the same")
  func leftFolders() throws {
    let stage = try Self.prepared()
    let left = stage.store + "/tmp/1-2-mask/deeper"
    try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: left + "/mask.safetensors"))
    try FileManager.default.createSymbolicLink(atPath: left + "/link", withDestinationPath: stage.folder.path)
    let store = try stage.open()
    #expect(try store.collect(dryRun: true, olderThan: 0).bytes >= 3)
    _ = try store.collect(olderThan: 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
    #expect(FileManager.default.fileExists(atPath: stage.store))
    #expect(try store.collect(olderThan: 0).bytes == 0)
    #expect(try store.verify(full: true).damage.isEmpty)
  }

  @Test("an interrupted gc leaves no partial pack")
  func interrupted() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    store.interrupt()
    #expect { try store.collect(olderThan: 0) } throws: { ($0 as? RepositoryError)?.isInterruption == true }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
    try Self.expectWhole(["one", "part"], stage)
  }
}

/// The real disk, with somebody who is told before a file is removed.
private struct WatchedDisk: Storage {
  let disk = LocalStorage()
  let willRemove: @Sendable (String) throws -> Void

  func create(_ path: String) throws(StorageError) -> any StorageFile { try disk.create(path) }
  func open(_ path: String) throws(StorageError) -> any StorageFile { try disk.open(path) }
  func rename(_ source: String, to target: String) throws(StorageError) { try disk.rename(source, to: target) }
  func syncDirectory(_ path: String) throws(StorageError) { try disk.syncDirectory(path) }
  func makeDirectory(_ path: String) throws(StorageError) { try disk.makeDirectory(path) }
  func list(_ path: String) throws(StorageError) -> [String] { try disk.list(path) }

  func remove(_ path: String) throws(StorageError) {
    do { try willRemove(path) } catch { Issue.record(error) }
    try disk.remove(path)
  }
}

extension CollectTests {
  @Test("a pack that is written anew to the very bytes of another stays, and so does what it holds")
  func sameBytes() throws {
    let stage = try HistoryStage.prepared()
    let other = try Stage()
    let store = try other.open()
    _ = try store.importCheckpoint(at: try other.write("x", Stage.model(seed: 33)), name: "x", base: nil)
    try HistoryStage.close(store)
    // Packs without entries: garbage that shares the small files of models that are named.
    try FileManager.default.removeItem(atPath: other.store + "/entries")
    try FileManager.default.createDirectory(atPath: other.store + "/entries", withIntermediateDirectories: true)
    try HistoryStage.add(other.store, to: stage.store)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    let united = try stage.open()
    _ = try united.collect(olderThan: 0)
    #expect(try united.verify().damage.map(\.what) == [])
    _ = try united.export("one", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/one", stage.folder.path + "/out"))
    try HistoryStage.close(united)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
  }

  @Test("where the bytes of a named model cannot be read, verify says so and gc deletes nothing")
  func unreadablePack() throws {
    let stage = try HistoryStage.prepared()
    let pack = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: stage.store).first { $0.hasSuffix(".pack") })
    let path = stage.store + "/" + pack
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try bytes.prefix(100).write(to: URL(fileURLWithPath: path))
    #expect(try !Repository.rebuild(at: stage.store).damage.isEmpty)
    #expect(try !stage.open().verify().damage.isEmpty)
    let error = try #require(throws: RepositoryError.self) { try stage.open().collect(olderThan: 0) }
    #expect(error.kind == .corrupt)
    #expect(FileManager.default.fileExists(atPath: path))
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    _ = try stage.open().collect(olderThan: 0)
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }
}
