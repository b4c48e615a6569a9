import Foundation
import Glibc
import JSON
import Lineage
import Objects
import Synchronization
import TestSupport
import Testing

@testable import ModelStore

/// What somebody might do to a store by hand, and what tells it.
@Suite("attacks on the history")
struct HistoryAttackTests {
  /// Writes an entry upon the last one, as another program might.
  @discardableResult
  private static func add(_ stage: Stage, kind: String, _ change: (inout [JSONValue.Member]) -> Void) throws -> Digest {
    let store = try stage.open()
    let last = try #require(try store.lineage.events().last)
    var members: [JSONValue.Member] = [
      .init("type", "entry"), .init("kind", .string(kind)), .init("version", 1),
      .init("store", .string(store.history.store.hex)), .init("sequence", .integer(last.place.sequence + 1)),
      .init("heads", .digests([last.place.entry])), .init("made_at", "2099-01-01T00:00:00Z"),
      .init("made_by", "somebody"), .init("tool", "by hand"),
    ]
    change(&members)
    let document = Document(.object(members))
    let sequence = members.last { $0.key == "sequence" }?.value.int ?? last.place.sequence + 1
    let path = "\(stage.store)/entries/\(sequence / 1000)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try Data(document.bytes).write(to: URL(fileURLWithPath: "\(path)/\(sequence)-\(document.digest.hex).json"))
    try HistoryStage.close(store)
    return document.digest
  }

  private static func named(_ name: String, _ model: Digest) -> JSONValue {
    ["name": .string(name), "model": .string(model.hex), "replaces": .array([])]
  }

  private static func execute(_ stage: Stage, _ sql: String) throws {
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    python.arguments = [
      "python3", "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()",
      stage.store + "/stemma.sqlite", sql,
    ]
    try python.run()
    python.waitUntilExit()
    try #require(python.terminationStatus == 0)
  }

  @Test(
    "a database that says otherwise than the history is told by verify, and gc deletes nothing by it",
    arguments: [
      "DELETE FROM names WHERE name = 'one'", "DELETE FROM withdrawals", "UPDATE objects SET offset = offset + 8",
    ])
  func rows(_ sql: String) throws {
    let stage = try HistoryStage.prepared()
    try Self.execute(stage, sql)
    #expect(throws: RepositoryError.self) { try stage.open().collect(olderThan: 0) }
    #expect(try stage.open().verify().damage.isEmpty == false)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    _ = try stage.open().export("one", to: stage.folder.path + "/out")
    _ = try stage.open().collect(olderThan: 0)
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }

  @Test("an old database put back after a repack or a gc does not make gc delete what names reach")
  func oldDatabase() throws {
    let stage = try HistoryStage.prepared()
    let old = stage.folder.path + "/old.sqlite"
    do {
      let store = try stage.open()
      _ = try store.importCheckpoint(
        at: try stage.write("three", Stage.model(seed: 9)), name: "three", base: nil)
      _ = try store.remove("three")
      try HistoryStage.close(store)
      try FileManager.default.copyItem(atPath: stage.store + "/stemma.sqlite", toPath: old)
      let later = try stage.open()
      _ = try later.collect(olderThan: 0)
      try HistoryStage.close(later)
    }
    try FileManager.default.removeItem(atPath: stage.store + "/stemma.sqlite")
    try FileManager.default.moveItem(atPath: old, toPath: stage.store + "/stemma.sqlite")
    let error = try #require(throws: RepositoryError.self) { try stage.open().collect(olderThan: 0) }
    #expect(error.kind == .corrupt)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    _ = try stage.open().export("one", to: stage.folder.path + "/out")
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }

  @Test("a document that is missing is told by verify, rebuild and gc, also where no name needs it", arguments: 0..<3)
  func missingDocuments(_ which: Int) throws {
    let stage = try HistoryStage.prepared()
    let store = try stage.open()
    let report = try store.importCheckpoint(at: try stage.write("x", Stage.model(seed: 9)), name: nil, base: nil)
    let derivations = try store.lineage.allDerivations()
    let merge = try #require(derivations.first { $0.kind == .merge })
    let lost = try [
      #require(Digest(hex: report.id)), #require(merge.recipe), #require(derivations.last?.digest),
    ][which]
    try HistoryStage.close(store)
    try FileManager.default.removeItem(atPath: "\(stage.store)/documents/\(lost.hex.prefix(2))/\(lost.hex).json")
    for _ in 0..<2 {
      #expect(try stage.open().verify().damage.contains { $0.what.contains(lost.hex) })
      #expect(throws: RepositoryError.self) { try stage.open().collect(olderThan: 0) }
      #expect(try Repository.rebuild(at: stage.store).damage.contains { $0.contains(lost.hex) })
    }
  }

  @Test("an advisory whose document is gone still flags what its entry names")
  func lostAdvisory() throws {
    let stage = try HistoryStage.prepared()
    let open = try #require(try stage.open().advisories().first(where: \.isOpen))
    try FileManager.default.removeItem(atPath: "\(stage.store)/documents/\(open.id.prefix(2))/\(open.id).json")
    #expect(try Repository.rebuild(at: stage.store).damage != [])
    let store = try stage.open()
    #expect(try store.list().first { $0.names.contains("two") }?.flags.isEmpty == false)
    #expect(throws: RepositoryError.self) { try store.export("two", to: stage.folder.path + "/out") }
  }

  @Test("a document that was damaged in place is healed by the import of the same files")
  func healedDocument() throws {
    let stage = try HistoryStage.prepared()
    let model = try stage.open().resolve("one")
    let path = "\(stage.store)/documents/\(model.hex.prefix(2))/\(model.hex).json"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[20] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    _ = try Repository.rebuild(at: stage.store)
    _ = try stage.open().importCheckpoint(at: stage.folder.path + "/one", name: nil, base: nil)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }

  @Test("one event of a copy, copied in, holds before the next verb looks")
  func oneForeignEvent() throws {
    let stage = try HistoryStage.prepared()
    let other = try Stage(copyOf: stage)
    _ = try other.open().advise("one", kind: "misaligned", reason: "found elsewhere")
    try HistoryStage.add(other.store, to: stage.store)
    #expect(throws: RepositoryError.self) { try stage.open().export("one", to: stage.folder.path + "/out") }
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }

  @Test("entries that no program may have written are damage, and take no name or number from anyone")
  func strangeEntries() throws {
    let stage = try HistoryStage.prepared()
    let two = try stage.open().resolve("two")
    let before = try stage.open().resolve("one")
    let wrong: [(inout [JSONValue.Member]) -> Void] = [
      { $0.append(.init("names", .array([Self.named("one\u{0}z", two)]))) },
      { $0.append(.init("names", .array([Self.named("n", two), Self.named("N", before)]))) },
      { $0.append(.init("names", .array([Self.named(before.hex, two)]))) },
      { $0.append(.init("names", .array([Self.named("../../x", two)]))) },
      { members in members[4] = .init("sequence", .integer(1 << 53 - 1)) },
      { members in members[2] = .init("version", 0) },
    ]
    for (index, change) in wrong.enumerated() {
      let copy = try Stage(copyOf: stage)
      try Self.add(copy, kind: "name", change)
      let report = try Repository.rebuild(at: copy.store)
      let store = try copy.open()
      let check = try store.verify()
      // A number that no entry has is a stranger's by the name of its file.
      #expect(report.damage.isEmpty == (index == 4) && check.damage.isEmpty == (index == 4), "\(index)")
      #expect(report.remarks.isEmpty == (index != 4) && check.garbage.isEmpty == (index != 4), "\(index)")
      #expect(try store.resolve("one") == before && store.resolve(before.hex) == before)
      _ = try store.tag("one", as: "next")
      #expect(try store.lineage.lastSequence() < 20)
    }
  }

  @Test("what two copies named otherwise is listed, and each way to decide decides")
  func conflicts() throws {
    let first = try HistoryStage.prepared()
    let second = try Stage(copyOf: first)
    let permission = Permission(allowsFlagged: true)
    _ = try first.open().tag("one", as: "best", replacing: true)
    _ = try second.open().tag("fused", as: "best", replacing: true, permission: permission)
    try HistoryStage.add(second.store, to: first.store)
    _ = try Repository.rebuild(at: first.store)
    let side = try #require(try first.open().lineage.nameConflicts().first)
    #expect(try first.open().list().flatMap(\.names).contains(side.conflictName))
    let holder = try first.open().resolve("best")
    #expect(throws: RepositoryError.self) { try first.open().untag("best") }
    #expect(throws: RepositoryError.self) { try first.open().remove(holder.hex) }
    #expect(throws: RepositoryError.self) {
      try first.open().tag(holder.hex, as: "best", permission: permission)
    }
    let ways: [(Repository) throws -> Void] = [
      { _ = try $0.tag(holder.hex, as: "best", replacing: true, permission: permission) },
      { try $0.untag(side.conflictName) },
    ]
    for way in ways {
      let copy = try Stage(copyOf: first)
      let store = try copy.open()
      try way(store)
      #expect(try store.lineage.nameConflicts() == [] && store.resolve("best") == holder)
      try HistoryStage.close(store)
      #expect(try Repository.rebuild(at: copy.store).remarks == [])
      #expect(try copy.open().resolve("best") == holder)
    }
  }

  @Test("a name that a copy gave keeps a model that the other deleted, also when the name is taken away")
  func deletedElsewhere() throws {
    let first = try HistoryStage.prepared()
    do {
      let store = try first.open()
      _ = try store.importCheckpoint(at: try first.write("x", Stage.model(seed: 9)), name: "x", base: nil)
      try HistoryStage.close(store)
    }
    let second = try Stage(copyOf: first)
    _ = try second.open().tag("x", as: "kept")
    let store = try first.open()
    let model = try store.resolve("x")
    _ = try store.remove("x")
    _ = try store.collect(olderThan: 0)
    try HistoryStage.close(store)
    try HistoryStage.add(second.store, to: first.store)
    _ = try Repository.rebuild(at: first.store)
    let united = try first.open()
    #expect(try united.lineage.model(model)?.state == .stored)
    try united.untag("kept")
    let facts = try Facts(united.lineage)
    try HistoryStage.close(united)
    #expect(try Repository.rebuild(at: first.store).damage == [])
    #expect(try Facts(first.open().lineage) == facts)
  }

  @Test("strange files, pipes and huge files stop nothing")
  func strangeFiles() throws {
    let stage = try HistoryStage.prepared()
    for path in ["packs/README", "documents/README", "entries/5", "entries/README"] {
      try Data("hello".utf8).write(to: URL(fileURLWithPath: "\(stage.store)/\(path)"))
    }
    let hex = String(repeating: "a", count: 64)
    #expect(mkfifo("\(stage.store)/entries/0/3-\(hex).json", 0o600) == 0)
    let huge = "\(stage.store)/entries/0/4-\(hex).json"
    #expect(FileManager.default.createFile(atPath: huge, contents: nil) && truncate(huge, 1 << 40) == 0)
    #expect(try stage.open().verify().damage.count == 2)
    _ = try stage.open().tag("one", as: "next")
    for name in ["3", "4"] { unlink("\(stage.store)/entries/0/\(name)-\(hex).json") }
    #expect(try stage.open().verify().damage.map(\.what) == [])
    _ = try stage.open().collect(olderThan: 0)
    #expect(FileManager.default.fileExists(atPath: stage.store + "/packs/README"))
  }

  @Test("a store is not collected through a database that was replaced meanwhile")
  func replacedDatabase() throws {
    let stage = try HistoryStage.prepared()
    let store = try stage.open()
    store.lock.withLock { $0 = nil }
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    let error = try #require(throws: RepositoryError.self) { try store.collect(olderThan: 0) }
    #expect(error.kind == .conflict && error.message.contains("anew"))
  }

  @Test("a backup has the events of kinds that it does not know, their documents, and what is known to be lost")
  func wholeBackup() throws {
    let stage = try HistoryStage.prepared()
    let document = Document(["type": "signature", "version": 1, "text": "x"])
    try stage.open().documents.put(document)
    try Self.add(stage, kind: "signature") { $0.append(.init("document", .string(document.digest.hex))) }
    let lost = try #require(
      try FileManager.default.contentsOfDirectory(atPath: stage.store + "/entries/0").first { $0.hasPrefix("6-") })
    try FileManager.default.removeItem(atPath: "\(stage.store)/entries/0/\(lost)")
    let target = stage.folder.path + "/copy"
    _ = try stage.open().backup(to: target)
    let copy = try Repository(at: target + "/.stemma")
    #expect(try copy.verify().damage.count == 1 && copy.verify().garbage == [])
    #expect(try copy.documents.get(document.digest).bytes == document.bytes)
  }
}
