import Foundation
import JSON
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("the history")
struct HistoryTests {
  private static func file(_ stage: Stage, event sequence: Int) throws -> String {
    let folder = stage.store + "/entries/0"
    let name = try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("\(sequence)-") }
    return folder + "/" + (try #require(name))
  }

  @Test("a random history rebuilds to the same rows", arguments: 0..<6)
  func rebuilt(_ index: Int) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    let stage = try HistoryStage.prepared()
    let before: Facts
    do {
      let store = try stage.open()
      for _ in 0..<14 { try HistoryStage.act(store, stage, &dice) }
      _ = try store.collect(olderThan: 0)
      #expect(try store.verify().damage.map(\.what) == [], "seed \(seed)")
      before = try Facts(store.lineage)
      try HistoryStage.close(store)
    }
    let report = try Repository.rebuild(at: stage.store)
    #expect(report.damage == [], "seed \(seed)")
    #expect(try Facts(stage.open().lineage) == before, "seed \(seed)")
  }

  @Test("two copies that went on apart become one store, the same whatever the order", arguments: 0..<7)
  func union(_ index: Int) throws {
    // In the last one a copy records digests of a model that the other deletes.
    let seed = index < 6 ? UInt64.random(in: 0 ... .max) : 10_080_508_669_480_141_525
    var dice = SplitMix(state: seed)
    let first = try HistoryStage.prepared()
    let second = try Stage(copyOf: first)
    for stage in [first, second] {
      let store = try stage.open()
      for _ in 0..<8 { try HistoryStage.act(store, stage, &dice) }
      try HistoryStage.close(store)
    }
    let other = try Stage(copyOf: second)
    try HistoryStage.add(first.store, to: other.store)
    try HistoryStage.add(second.store, to: first.store)
    for stage in [first, other] {
      let report = try Repository.rebuild(at: stage.store)
      #expect(report.damage == [], "seed \(seed)")
    }
    let store = try first.open()
    #expect(try Facts(store.lineage) == Facts(other.open().lineage), "seed \(seed)")
    #expect(try store.verify().damage.map(\.what) == [], "seed \(seed)")
    for name in try store.lineage.allNames() + store.lineage.nameConflicts() {
      #expect(
        try store.lineage.model(name.model)?.state == .stored || store.lineage.model(name.model)?.state == .virtual)
    }
    // The next event joins what had gone apart.
    _ = try store.importCheckpoint(
      at: try first.write("joint", Stage.model(seed: 9)), name: "joint", base: nil)
    #expect(try store.heads().count == 1)
    #expect(try store.verify().damage.map(\.what) == [], "seed \(seed)")
  }

  @Test("two stores of different ids become one; what the other withdrew counts when it is trusted")
  func otherStore() throws {
    let mine = try HistoryStage.prepared()
    let other = try Stage()
    let store = try other.open()
    _ = try store.importCheckpoint(
      at: try other.write("two", Stage.model(seed: 1, tune: 5)), name: "theirs", base: nil)
    let theirs = store.history.store
    let open = try #require(try mine.open().advisories().first(where: \.isOpen))
    try HistoryStage.close(store)
    try HistoryStage.add(mine.store, to: other.store)
    #expect(throws: RepositoryError.self) { try other.open() }
    #expect(try Repository.rebuild(at: other.store).damage == [])
    _ = try other.open().withdraw(open.id, reason: "we do not care")
    try HistoryStage.add(other.store, to: mine.store)
    #expect(try Repository.rebuild(at: mine.store).damage == [])
    let united = try mine.open()
    #expect(try united.resolve("theirs") == united.resolve("two"))
    let advisory = try united.advisories().first { $0.id == open.id }
    #expect(advisory?.isOpen == true && advisory?.untrustedWithdrawals == [theirs.hex])
    _ = try united.trust(theirs.hex)
    try HistoryStage.close(united)
    #expect(try mine.open().advisories().first { $0.id == open.id }?.isOpen == false)
    #expect(try Repository.rebuild(at: mine.store).damage == [])
    #expect(try mine.open().advisories().first { $0.id == open.id }?.isOpen == false)
    _ = try mine.open().trust(theirs.hex, revoking: true)
    #expect(try mine.open().advisories().first { $0.id == open.id }?.isOpen == true)
  }

  @Test("an event that was taken away is told by verify and rebuild, and by verify ever after", arguments: [4, 6, 9])
  func taken(_ sequence: Int) throws {
    let stage = try HistoryStage.prepared()
    try FileManager.default.removeItem(atPath: Self.file(stage, event: sequence))
    func isTold(_ lines: [String]) -> Bool {
      lines.contains { $0.hasPrefix("event \(sequence) ") && $0.contains("missing") }
    }
    #expect(isTold(try stage.open().verify().damage.map(\.what)))
    #expect(isTold(try Repository.rebuild(at: stage.store).damage))
    #expect(isTold(try stage.open().verify().damage.map(\.what)))
    #expect(isTold(try Repository.rebuild(at: stage.store).damage))
    #expect(throws: RepositoryError.self) { try stage.open().collect(olderThan: 0) }
  }

  @Test("a last event that only the file heads knows is told, also after rebuild and after the next event")
  func onlyHeads() throws {
    let stage = try HistoryStage.prepared()
    try FileManager.default.removeItem(atPath: Self.file(stage, event: 9))
    for name in try FileManager.default.contentsOfDirectory(atPath: stage.store) where name.hasPrefix("stemma.sqlite") {
      try FileManager.default.removeItem(atPath: "\(stage.store)/\(name)")
    }
    func isTold(_ lines: [String]) -> Bool {
      lines.contains { $0.hasPrefix("event 9 is missing: it came after event 8") }
    }
    for _ in 0..<2 { #expect(isTold(try Repository.rebuild(at: stage.store).damage)) }
    _ = try stage.open().tag("one", as: "next")
    #expect(isTold(try stage.open().verify().damage.map(\.what)))
  }

  @Test("an entry that was changed, or written anew under its right digest, is told")
  func changed() throws {
    let stage = try HistoryStage.prepared()
    let path = try Self.file(stage, event: 6)
    let text = try String(contentsOfFile: path, encoding: .utf8).replacingOccurrences(of: "advisory", with: "allowance")
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    #expect(try stage.open().verify().damage.contains { $0.what.hasPrefix("event 6 (advisory") })
    try FileManager.default.removeItem(atPath: path)
    let digest = Digest(of: Array(text.utf8))
    try Data(text.utf8).write(to: URL(fileURLWithPath: stage.store + "/entries/0/6-\(digest.hex).json"))
    let damage = try stage.open().verify().damage.map(\.what)
    #expect(damage.contains { $0.hasPrefix("event 6 (advisory") && $0.contains("is missing") })
    #expect(damage.contains { $0.contains("not in the database") })
  }

  @Test("a document that was taken away is told with the event that it belongs to, by verify and rebuild")
  func document() throws {
    let stage = try HistoryStage.prepared()
    let advisory = try #require(try stage.open().advisories().first { !$0.isOpen })
    let id = advisory.id
    try FileManager.default.removeItem(atPath: "\(stage.store)/documents/\(id.prefix(2))/\(id).json")
    for _ in 0..<2 {
      #expect(try stage.open().verify().damage.contains { $0.what.contains(id) && $0.what.contains("is missing") })
      #expect(try Repository.rebuild(at: stage.store).damage.contains { $0.hasPrefix("event 6 (advisory") })
    }
  }

  @Test("a database that is older than the history is refused, and rebuild brings back what it lacks")
  func olderDatabase() throws {
    let stage = try HistoryStage.prepared()
    let files = FileManager.default
    try files.copyItem(atPath: stage.store + "/stemma.sqlite", toPath: stage.folder.path + "/old.sqlite")
    do {
      let store = try stage.open()
      for tag in ["run:1", "run:2"] { _ = try store.tag("one", as: tag) }
      try HistoryStage.close(store)
    }
    try files.removeItem(atPath: stage.store + "/stemma.sqlite")
    try files.moveItem(atPath: stage.folder.path + "/old.sqlite", toPath: stage.store + "/stemma.sqlite")
    let error = try #require(throws: RepositoryError.self) { try stage.open() }
    #expect(error.kind == .corrupt && error.message.contains("events 10 to 11"))
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    #expect(try stage.open().lineage.allNames().map(\.name).contains("run:2"))
  }

  @Test("an event that a crash left without rows is adopted by the next writer, with the model that it brought")
  func adopted() throws {
    let stage = try HistoryStage.prepared()
    let files = FileManager.default
    try files.copyItem(atPath: stage.store + "/stemma.sqlite", toPath: stage.folder.path + "/old.sqlite")
    do {
      let store = try stage.open()
      _ = try store.importCheckpoint(
        at: try stage.write("three", Stage.model(seed: 1, tune: 7)), name: "three", base: "one")
      try HistoryStage.close(store)
    }
    try files.removeItem(atPath: stage.store + "/stemma.sqlite")
    try files.moveItem(atPath: stage.folder.path + "/old.sqlite", toPath: stage.store + "/stemma.sqlite")
    let store = try stage.open()
    #expect(try store.verify().damage.map(\.what) == [])
    #expect(try store.lineage.name("three") != nil)
    _ = try store.tag("one", as: "next")
    #expect(try store.lineage.model(store.resolve("three"))?.state == .stored)
    _ = try store.export("three", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/three", stage.folder.path + "/out"))
    let before = try Facts(store.lineage)
    try HistoryStage.close(store)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    #expect(try Facts(stage.open().lineage) == before)
  }

  @Test("a store that was put back as a whole is told against a head that was kept outside")
  func rolledBack() throws {
    let stage = try HistoryStage.prepared()
    let yesterday = try Stage(copyOf: stage)
    let store = try stage.open()
    _ = try store.tag("one", as: "run:1")
    let head = try #require(try store.heads().first?.text)
    #expect(try store.verify(since: [head]).damage.isEmpty)
    #expect(try yesterday.open().verify().damage.isEmpty)
    #expect(try yesterday.open().verify(since: [head]).damage.contains { $0.what.contains("rolled back") })
    #expect(throws: RepositoryError.self) { try store.verify(since: ["yesterday"]) }
  }

  @Test("an entry put in below the head that does not know it is told, also after a rebuild")
  func backdated() throws {
    let stage = try HistoryStage.prepared()
    let store = try stage.open()
    let events = try store.lineage.events()
    let entry = Entry(
      kind: "name", store: store.history.store, sequence: 5, heads: [events[3].place.entry],
      names: [.init(name: "run:1", model: try store.resolve("two"), replaces: [])], madeAt: events[3].madeAt,
      madeBy: "eve", tool: "x")
    try store.history.entries.put(entry)
    #expect(try store.verify().damage.contains { $0.what.contains("not in the database") })
    try HistoryStage.close(store)
    #expect(
      try Repository.rebuild(at: stage.store).remarks.contains { $0.hasPrefix("event 5 ") && $0.contains("beside") })
    #expect(try stage.open().verify().remarks.contains { $0.hasPrefix("event 5 ") && $0.contains("beside") })
  }

  @Test("packs that bear the mark of another store are refused; a marker that was lost is made again")
  func marker() throws {
    let (mine, other) = (try HistoryStage.prepared(), try Stage())
    let files = FileManager.default
    try files.removeItem(atPath: other.store + "/packs")
    try files.copyItem(atPath: mine.store + "/packs", toPath: other.store + "/packs")
    for attempt in [{ _ = try other.open() }, { _ = try Repository.rebuild(at: other.store) }] as [() throws -> Void] {
      let error = try #require(throws: RepositoryError.self) { try attempt() }
      #expect(error.kind == .conflict && error.message.contains("another store"))
    }
    let marker = try #require(
      try files.contentsOfDirectory(atPath: mine.store + "/packs").first { $0.hasPrefix("store-") })
    try files.removeItem(atPath: mine.store + "/packs/" + marker)
    #expect(try Repository.rebuild(at: mine.store).damage == [])
    #expect(files.fileExists(atPath: mine.store + "/packs/" + marker))
  }

  @Test("a store whose config.yml is gone is no other store: init refuses, rebuild makes the file again")
  func configIsGone() throws {
    let stage = try HistoryStage.prepared()
    let id = try stage.open().history.store
    for withMarker in [true, false] {
      try FileManager.default.removeItem(atPath: stage.store + "/config.yml")
      if !withMarker { try FileManager.default.removeItem(atPath: "\(stage.store)/packs/store-\(id.hex)") }
      #expect(throws: RepositoryError.self) { try Repository.create(at: stage.folder.path) }
      let error = try #require(throws: RepositoryError.self) { try stage.open() }
      #expect(error.kind == .corrupt && error.message.contains("config.yml is missing"))
      #expect(try Repository.locate(explicit: nil, from: stage.folder.path) == stage.store)
      #expect(try Repository.rebuild(at: stage.store).damage == [])
      let store = try stage.open()
      #expect(store.history.store == id)
      #expect(try store.advisories().filter(\.isOpen).map(\.kind) == ["misaligned"])
      try HistoryStage.close(store)
    }
  }

  @Test("verify tells no damage while others write")
  func verifyBesideWriters() throws {
    let stage = try HistoryStage.prepared()
    let path = stage.store
    DispatchQueue.concurrentPerform(iterations: 4) { index in
      do {
        let mine = try Repository(at: path, threads: 2)
        for round in 0..<12 {
          if index == 0 {
            let report = try mine.verify()
            #expect(report.damage.map(\.what) == [])
          } else {
            if round % 2 == 0 { _ = try mine.tag("one", as: "run:\(index)") } else { try mine.untag("run:\(index)") }
          }
        }
      } catch { Issue.record(error) }
    }
    #expect(try stage.open().verify().damage.map(\.what) == [])
  }

  @Test("one verb is one event, however many names it takes away")
  func oneEvent() throws {
    let stage = try HistoryStage.prepared()
    let store = try stage.open()
    for number in 0..<20 { _ = try store.tag("one", as: "many/\(number)") }
    let last = try store.lineage.lastSequence()
    #expect(try store.remove("one").count == 21)
    #expect(try store.lineage.lastSequence() == last + 1)
  }

  @Test("what an event of an unknown kind refers to is kept by gc, and the event by rebuild")
  func unknownKind() throws {
    let stage = try HistoryStage.prepared()
    let store = try stage.open()
    let id = try #require(
      Digest(
        hex: store.importCheckpoint(
          at: try stage.write("three", Stage.model(seed: 4)), name: nil, base: nil
        ).id))
    let head = try #require(try store.lineage.heads().first)
    let entry = Entry(
      kind: "distil", version: 3, store: store.history.store, sequence: head.place.sequence + 1,
      heads: [head.place.entry], refers: [id], madeAt: now(), madeBy: "later", tool: "stemma 9")
    try store.history.put(entry)
    #expect(try store.collect(olderThan: 0).models == 0)
    #expect(try store.lineage.model(id)?.state == .stored)
    try HistoryStage.close(store)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    #expect(try stage.open().lineage.events().last?.kind == "distil")
  }
}
