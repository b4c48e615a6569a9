import Foundation
import GRDB
import Lineage
import Objects
import Testing

@Suite struct FormatTests {
  private static let next = (name: "m0002_next", sql: "CREATE TABLE novelty (fact TEXT NOT NULL) STRICT;")

  private func open(_ folder: Folder, _ more: (name: String, sql: String)...) throws -> LineageDatabase {
    try LineageDatabase(path: folder.file, migrations: LineageDatabase.shipped + more)
  }

  @Test("a later program applies only the migrations that are missing, and keeps what is there")
  func next() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", [])])
    try database.close()
    let later = try open(folder, Self.next)
    #expect(try !later.isCurrent())
    #expect(try later.format() == LineageDatabase.shipped.count)
    try later.migrate()
    #expect(try later.isCurrent())
    #expect(try later.models().count == 1)
    try later.close()
    let found = LineageDatabase.shipped.count + 1
    #expect(throws: LineageError.newerFormat(found: found, supported: found - 1)) { try folder.open() }
  }

  @Test("where one migration fails, none of those before it has happened")
  func failing() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", [])])
    try database.close()
    let later = try open(folder, Self.next, ("m0003_wrong", "CREATE TABLE novelty (again TEXT) STRICT;"))
    #expect(throws: LineageError.self) { try later.migrate() }
    try later.close()
    #expect(try folder.open().isCurrent())
    #expect(try folder.open().models().count == 1)
    // The table of the first was not kept either.
    let again = try open(folder, Self.next)
    try again.migrate()
    #expect(try again.isCurrent())
  }

  @Test(
    "a database that is read without locks and written meanwhile is said to be in use", .enabled(if: geteuid() != 0))
  func writtenMeanwhile() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", [])])
    try database.close()
    chmod(folder.path, 0o555)
    let reader = try folder.open(readOnly: true)
    #expect(try reader.models().count == 1)
    chmod(folder.path, 0o755)
    let writer = try folder.open()
    try writer.publish { try $0.insertModel(.named("more", sequence: 7)) }
    try writer.close()
    #expect {
      try reader.models()
    } throws: { if case .locked = $0 as? LineageError { true } else { false } }
    #expect(try folder.open(readOnly: true).models().count == 2)
  }

  @Test("a WAL that cannot be read where nothing can be written is said so", .enabled(if: geteuid() != 0))
  func strandedWAL() throws {
    let folder = try Folder()
    let copy = try Folder()
    let database = try folder.migrated()
    try database.record([("base", [])])
    for name in ["/stemma.sqlite", "/stemma.sqlite-wal"] {
      try FileManager.default.copyItem(atPath: folder.path + name, toPath: copy.path + name)
    }
    chmod(copy.path, 0o555)
    defer { chmod(copy.path, 0o755) }
    #expect {
      try copy.open(readOnly: true)
    } throws: { if case .io(_, let detail) = $0 as? LineageError { detail.contains("open it once") } else { false } }
  }

  @Test("an object moves to another pack and is otherwise what it was")
  func move() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.publish { publication in
      let old = try publication.insertPack(sha("old"), bytes: 100)
      try publication.insertObject(NewObject("base", pack: old), depthLimit: 4)
      try publication.insertObject(NewObject("delta", pack: old, base: "base"), depthLimit: 4)
    }
    let before = try #require(try database.object(sha("delta")))
    try database.publish { publication in
      let new = try publication.insertPack(sha("new"), bytes: 50)
      for (name, offset) in [("base", 8), ("delta", 18)] {
        try publication.moveObject(sha(name), to: new, offset: offset)
      }
      try publication.deletePacks([before.pack])
      #expect(throws: LineageError.self) { try publication.moveObject(sha("none"), to: new, offset: 0) }
    }
    let after = try #require(try database.object(sha("delta")))
    #expect(after.packDigest == sha("new") && after.offset == 18)
    #expect(after.base == before.base && after.length == before.length && after.rawBytes == before.rawBytes)
    #expect(try database.integrityCheck() == [])
  }
}
