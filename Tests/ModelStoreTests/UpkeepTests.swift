import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("upkeep of the database")
struct UpkeepTests {
  private static let next = (name: "m0002_next", sql: "CREATE TABLE novelty (fact TEXT NOT NULL) STRICT;")

  private func names(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private func furnished() throws -> Stage {
    let stage = try Stage()
    let folder = try stage.write("one", Stage.model(seed: 1))
    _ = try stage.open().importCheckpoint(at: folder, name: "one", base: nil)
    return stage
  }

  private func open(_ stage: Stage, _ more: [(name: String, sql: String)]) throws -> Repository {
    try Repository(at: stage.store, threads: 1, storage: LocalStorage(), migrations: LineageDatabase.shipped + more)
  }

  @Test("a rebuild that fails leaves nothing in tmp")
  func failedRebuild() throws {
    let stage = try furnished()
    let database = stage.store + "/stemma.sqlite"
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: database + suffix) }
    // A folder with something in it cannot be replaced by a file.
    try FileManager.default.createDirectory(atPath: database + "/kept", withIntermediateDirectories: true)
    #expect { try Repository.rebuild(at: stage.store) } throws: { ($0 as? RepositoryError)?.kind == .io }
    #expect(try names(in: stage.store + "/tmp") == [])
    try FileManager.default.removeItem(atPath: database)
    #expect(try Repository.rebuild(at: stage.store).models == 1)
    #expect(try names(in: stage.store + "/tmp") == [])
  }

  @Test("an older database is copied, then migrated; the copy is what it was")
  func migration() throws {
    let stage = try furnished()
    let before = try stage.open().list()
    let store = try open(stage, [Self.next])
    #expect(try store.list().map(\.json) == before.map(\.json))
    #expect(try store.lineage.isCurrent())
    #expect(try names(in: stage.store + "/tmp") == [])
    let copy = try LineageDatabase(path: stage.store + "/stemma.sqlite.before-m0002_next")
    #expect(try copy.format() == LineageDatabase.shipped.count)
    #expect(try copy.models().count == 1)
    // Open beside others: the exclusive lock has been given back.
    _ = try open(stage, [Self.next]).tag("one", as: "again")
  }

  @Test("a migration that fails leaves the database as it was, and can be tried again")
  func failedMigration() throws {
    let stage = try furnished()
    #expect(throws: RepositoryError.self) { try open(stage, [Self.next, ("m0003_wrong", "CREATE TABLE")]) }
    #expect(try stage.open().list().count == 1)
    #expect(try stage.open().tag("one", as: "more").count == 64)
    let store = try open(stage, [Self.next])
    #expect(try store.list().first?.names == ["more", "one"])
    let copy = try LineageDatabase(path: stage.store + "/stemma.sqlite.before-m0002_next")
    #expect(try copy.allNames().map(\.name) == ["more", "one"])
  }

  @Test("a database with a migration that this program does not know is unsupported")
  func newer() throws {
    let stage = try furnished()
    _ = try open(stage, [Self.next])
    #expect { try stage.open() } throws: { ($0 as? RepositoryError)?.kind == .unsupported }
    #expect(try Repository.rebuild(at: stage.store).models == 1)
    #expect(try stage.open().list().count == 1)
  }

  @Test("a migration waits for nobody: beside others at work it is a conflict, and nothing has changed")
  func busy() throws {
    let stage = try furnished()
    let other = try stage.open()
    #expect { try open(stage, [Self.next]) } throws: { ($0 as? RepositoryError)?.kind == .conflict }
    #expect(try other.lineage.isCurrent())
    #expect(try !names(in: stage.store).contains { $0.contains("before") })
  }

  @Test("a backup is a store with the same answers, and leaves nothing in tmp")
  func backup() throws {
    let stage = try furnished()
    let store = try stage.open()
    let folder = stage.folder.path + "/backup"
    _ = try store.backup(to: folder)
    #expect(try names(in: stage.store + "/tmp") == [])
    #expect(
      try names(in: folder + "/.stemma") == [
        "config.yml", "documents", "entries", "heads", "lock", "packs", "stemma.sqlite", "tmp",
      ])
    let copy = try Repository(at: folder + "/.stemma")
    #expect(try copy.list().map(\.json) == store.list().map(\.json))
    #expect(try copy.verify().damage.isEmpty)
  }
}
