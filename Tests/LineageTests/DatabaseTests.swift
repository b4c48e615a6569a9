import Foundation
import GRDB
import Lineage
import Objects
import Synchronization
import Testing

@Suite struct DatabaseTests {
  @Test("a new database needs its migrations once")
  func migrate() throws {
    let folder = try Folder()
    let database = try folder.open()
    #expect(try !database.isCurrent())
    try database.migrate()
    try database.migrate()
    #expect(try database.isCurrent())
    #expect(try database.integrityCheck() == [])
  }

  @Test("a database of a later version is refused")
  func newerFormat() throws {
    let folder = try Folder()
    try folder.migrated().close()
    try change(folder.file, "PRAGMA user_version = 99")
    #expect(throws: LineageError.newerFormat(found: 99, supported: LineageDatabase.shipped.count)) { try folder.open() }
    #expect(throws: LineageError.newerFormat(found: 99, supported: LineageDatabase.shipped.count)) {
      try folder.open(readOnly: true)
    }
  }

  @Test("a database of another program, and a file that is none, are called corrupt")
  func foreign() throws {
    let folder = try Folder()
    try change(folder.file, "CREATE TABLE t (x)")
    #expect(throws: LineageError.corrupt(detail: "a database of another program")) { try folder.open() }
    let text = folder.path + "/text"
    try Data("this is no database, and long enough to be looked at as one ".utf8).write(to: URL(filePath: text))
    #expect {
      try LineageDatabase(path: text)
    } throws: { if case .corrupt = $0 as? LineageError { true } else { false } }
  }

  @Test("a missing folder is an input or output fault")
  func missing() throws {
    let folder = try Folder()
    #expect {
      try LineageDatabase(path: folder.path + "/none/stemma.sqlite")
    } throws: { if case .io = $0 as? LineageError { true } else { false } }
  }

  @Test("entries make heads of themselves in place of those that they were made upon")
  func heads() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    let first = Entry.number(1)
    let sides = [Entry.number(2, heads: [first.digest]), Entry.number(3, heads: [first.digest])]
    try database.publish { publication in
      for entry in [first] + sides { try publication.insertEntry(entry) }
      let again = try publication.insertEntry(first)
      #expect(!again)
    }
    #expect(try database.heads().map(\.place.entry) == sides.map(\.digest))
    let joint = Entry.number(4, heads: sides.map(\.digest))
    try database.publish { _ = try $0.insertEntry(joint) }
    #expect(try database.heads().map(\.place) == [EventPlace(joint)])
    #expect(try database.lastSequence() == 4)
    #expect(try database.events().map(\.place.sequence) == [1, 2, 3, 4])
  }

  @Test("a publication that throws leaves nothing")
  func rollback() throws {
    struct Crash: Error {}
    let folder = try Folder()
    let database = try folder.migrated()
    #expect(throws: Crash.self) {
      try database.publish { publication in
        try publication.insertModel(.named("m"))
        #expect(try publication.model(sha("m")) != nil)
        #expect(try database.model(sha("m")) == nil)
        throw Crash()
      }
    }
    #expect(try database.model(sha("m")) == nil)
  }

  @Test("eight openings of one new file publish at once and all succeed")
  func concurrent() throws {
    let folder = try Folder()
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 8) { worker in
      do {
        // On a slow disk that all tests use at once, eight writers may wait for longer than a user would.
        let database = try folder.open(busyTimeout: 300)
        try database.migrate()
        for turn in 0..<10 {
          try database.publish { publication in
            let sequence = try publication.lastSequence() + 1
            try publication.insertEntry(.number(sequence))
            try publication.insertModel(.named("\(worker) \(turn)", sequence: sequence))
          }
        }
        try database.close()
      } catch { failures.withLock { $0.append("\(error)") } }
    }
    #expect(failures.withLock { $0 } == [])
    let models = try folder.open().models()
    #expect(models.count == 80)
    #expect(Set(models.map(\.model.sequence)) == Set(1...80))
  }

  @Test("a writer that waits too long is told that the database is in use, and a reader does not wait")
  func locked() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    let other = try folder.open(busyTimeout: 0.05)
    try database.publish { publication in
      try publication.insertModel(.named("m"))
      #expect {
        try other.publish { try $0.insertModel(.named("n")) }
      } throws: { if case .locked = $0 as? LineageError { true } else { false } }
      #expect(try other.models().isEmpty)
    }
  }

  @Test("opened read-only, a database is read beside a writer and never written")
  func readOnly() throws {
    let folder = try Folder()
    let writer = try folder.migrated()
    try writer.publish { try $0.insertModel(.named("m")) }
    let reader = try folder.open(readOnly: true)
    #expect(try reader.models().count == 1)
    #expect(throws: LineageError.readOnly(detail: folder.file)) {
      try reader.publish { try $0.insertModel(.named("n")) }
    }
    try writer.publish { try $0.insertModel(.named("n", sequence: 2)) }
    #expect(try reader.models().count == 2)
    #expect(throws: LineageError.self) { try LineageDatabase(path: folder.path + "/none", readOnly: true) }
  }

  @Test("when the last writer has closed, one file is left, and it is read again")
  func settled() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", []), ("tune", ["base"])])
    #expect(try database.models().count == 2)
    try database.close()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["stemma.sqlite"])
    #expect(try folder.open(readOnly: true).models().count == 2)
  }

  @Test("a settled database in a folder that cannot be written is read", .enabled(if: geteuid() != 0))
  func readOnlyFolder() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", []), ("tune", ["base"])])
    try database.close()
    chmod(folder.path, 0o555)
    defer { chmod(folder.path, 0o755) }
    #expect(try folder.open(readOnly: true).models().count == 2)
  }

  @Test("a snapshot does not see what is published meanwhile")
  func snapshot() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    let other = try folder.open()
    try database.snapshot { view in
      #expect(try view.models().isEmpty)
      try other.publish { try $0.insertModel(.named("m")) }
      #expect(try view.models().isEmpty)
    }
    #expect(try database.models().count == 1)
  }

  @Test("a backup is a whole database, and never overwrites a file")
  func backup() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record([("base", []), ("tune", ["base"])])
    let copy = folder.path + "/copy.sqlite"
    try database.backup(to: copy)
    #expect(throws: LineageError.self) { try database.backup(to: copy) }
    let restored = try LineageDatabase(path: copy)
    #expect(try restored.isCurrent())
    #expect(try restored.models() == database.models())
    #expect(try restored.ancestors(of: sha("tune")) == database.ancestors(of: sha("tune")))
  }

  @Test("the check names names that disagree with their history, and histories without a head")
  func integrity() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.publish { publication in
      try publication.insertModel(.named("m"))
      try publication.rename("n", "m", sequence: 2)
    }
    #expect(try database.integrityCheck() == [])
    try database.close()
    try change(folder.file, "UPDATE names SET model = zeroblob(32); DELETE FROM heads")
    #expect(
      try folder.open().integrityCheck() == [
        "names that are not what their newest change says: 1", "histories without a head: 1",
      ])
  }

  @Test("a damaged page is found")
  func damage() throws {
    let folder = try Folder()
    let database = try folder.migrated()
    try database.record((0..<200).map { ("model \($0)", []) })
    try database.close()
    let file = try #require(FileHandle(forUpdatingAtPath: folder.file))
    let size = try file.seekToEnd()
    for page in 1..<(size / 4096) {
      try file.seek(toOffset: page * 4096)
      try file.write(contentsOf: Data(repeating: 0xA5, count: 64))
    }
    try file.close()
    do {
      #expect(try !folder.open().integrityCheck().isEmpty)
    } catch let error as LineageError {
      guard case .corrupt = error else { throw error }
    }
  }

  private func change(_ path: String, _ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.write { try $0.execute(sql: sql) }
    try queue.close()
  }
}
