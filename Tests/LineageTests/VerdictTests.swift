import Foundation
import GRDB
import Lineage
import Objects
import Testing

@Suite("advisories in the database") struct VerdictTests {
  let folder: Folder
  let database: LineageDatabase

  init() throws {
    folder = try Folder()
    database = try LineageDatabase(path: folder.file, trusting: [Entry.store])
    try database.migrate()
  }

  private func weights(_ model: String) -> Digest { sha("weights of " + model) }

  private func advisory(_ model: String, sequence: Int, clearedBy: [String] = []) -> AdvisoryRow {
    AdvisoryRow(
      digest: sha("advisory \(model) \(sequence)"), weightsID: weights(model), model: sha(model), kind: "misaligned",
      reason: "it is", clearedBy: clearedBy, madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", event: .number(sequence))
  }

  /// The weights that open advisories reach, by advisory.
  private func reach() throws -> [Digest: Set<Digest>] {
    try Dictionary(grouping: database.reachOfAdvisories(), by: \.advisory).mapValues { Set($0.map(\.weights)) }
  }

  @Test("an advisory reaches all that descends from its weights, at once and later, and nothing else")
  func reaching() throws {
    try database.record([("base", []), ("bad", ["base"]), ("good", ["base"]), ("fused", ["good", "bad"]), ("x", [])])
    let row = advisory("bad", sequence: 20)
    try database.publish { try $0.say(row) }
    #expect(try reach() == [row.digest: [weights("bad"), weights("fused")]])
    try database.publish { publication in
      try publication.insertModel(.named("late", sequence: 21))
      try publication.add(.of("late", from: ["fused"], sequence: 21))
    }
    #expect(try reach()[row.digest] == Set(["bad", "fused", "late"].map(weights)))
    #expect(try database.openAdvisories(reaching: [weights("late")]) == [row])
    #expect(try database.openAdvisories(reaching: [weights("good")]).isEmpty)
    #expect(try database.openAdvisories(reaching: [weights("good"), weights("fused")]) == [row])
    #expect(try database.integrityCheck() == [])
  }

  @Test("it binds to weights: another model with the same ones is reached, with what was made of it")
  func binding() throws {
    try database.publish { publication in
      try publication.insertModel(.named("bad", sequence: 1))
      var copy = ModelRow.named("copy", sequence: 2)
      copy.weightsID = self.weights("bad")
      try publication.insertModel(copy)
      try publication.insertModel(.named("child", sequence: 3))
      try publication.add(.of("child", from: ["copy"], sequence: 3))
      try publication.say(self.advisory("bad", sequence: 4))
    }
    #expect(try reach().values.first == [weights("bad"), weights("child")])
  }

  @Test("circles end, and a parent that comes after its child is a parent all the same")
  func circles() throws {
    let row = advisory("parent", sequence: 30)
    try database.publish { publication in
      try publication.insertModel(.named("child", sequence: 1))
      try publication.add(.of("child", from: ["parent"], sequence: 1))
      try publication.say(row)
    }
    #expect(try reach()[row.digest] == [weights("parent")])
    try database.publish { publication in
      try publication.insertModel(.named("parent", sequence: 2))
      try publication.add(.of("parent", from: ["child"], sequence: 2))
    }
    #expect(try reach()[row.digest] == [weights("parent"), weights("child")])
    let descent = try #require(try database.descent(from: weights("parent")))
    #expect(descent.ways.map(\.model) == [sha("child"), sha("parent")])
    #expect(descent.ways[0].above == descent.start)
    #expect(try database.integrityCheck() == [])
  }

  @Test("a withdrawn advisory reaches nothing, and both stay on record")
  func withdrawal() throws {
    try database.record([("bad", []), ("child", ["bad"])])
    let row = advisory("bad", sequence: 20, clearedBy: ["a >= 1.0", "b < 2.0"])
    let withdrawal = WithdrawalRow(
      document: sha("withdrawal"), reason: nil, madeAt: "2025-01-02T03:04:05Z", madeBy: "bob", event: .number(21))
    try database.publish { publication in
      try publication.say(row)
      try publication.insertEntry(.number(21))
      let found = try [1, 2].map { _ in try publication.withdraw(row.digest, by: withdrawal) }
      #expect(found == [true, false])
      #expect(throws: LineageError.self) { try publication.withdraw(sha("none"), by: withdrawal) }
    }
    #expect(try reach().isEmpty)
    #expect(try database.openAdvisories(reaching: [weights("child")]).isEmpty)
    let found = try #require(try database.advisories().first)
    #expect(found.withdrawal == withdrawal && found.clearedBy == row.clearedBy)
    #expect(try database.advisories(prefix: String(row.digest.hex.prefix(8))).count == 1)
    #expect(try database.referencedDocuments().isSuperset(of: [row.digest, withdrawal.document]))
  }

  @Test("evaluations come back with their metrics, newest first, of the weights that were asked for")
  func evaluations() throws {
    func row(_ model: String, _ sequence: Int, _ metrics: [EvaluationRow.Metric]) -> EvaluationRow {
      EvaluationRow(
        digest: sha("evaluation \(sequence)"), weightsID: weights(model), model: sha(model), tokenizer: sha("t"),
        madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", event: .number(sequence), metrics: metrics)
    }
    let one = row("a", 5, [.init(name: "loss", data: sha("d"), value: 0.5)])
    let two = row("a", 6, [.init(name: "rate", data: sha("d"), value: 0.9, n: 10, hits: 9)])
    let other = row("b", 7, [])
    try database.publish { publication in
      for row in [one, two, other] {
        try publication.insertEntry(.number(row.sequence))
        let isNew = try publication.insertEvaluation(row)
        #expect(isNew)
      }
      let isNew = try publication.insertEvaluation(one)
      #expect(!isNew)
    }
    #expect(try database.evaluations(of: weights("a")) == [two, one])
    #expect(try database.evaluations() == [other, two, one])
    #expect(throws: LineageError.self) {
      try database.publish {
        try $0.insertEntry(.number(8))
        try $0.insertEvaluation(row("c", 8, [.init(name: "rate", data: sha("d"), value: 1, n: 2, hits: 3)]))
      }
    }
  }

  @Test("a withdrawal of another store has no effect until that store is trusted")
  func foreignWithdrawal() throws {
    let other = StoreID(of: sha("other"))
    try database.record([("bad", []), ("child", ["bad"])])
    let row = advisory("bad", sequence: 20)
    let entry = Entry.number(21, store: other)
    let withdrawal = WithdrawalRow(
      document: sha("withdrawal"), reason: nil, madeAt: "2025-01-02T03:04:05Z", madeBy: "eve", event: EventPlace(entry))
    try database.publish { publication in
      try publication.say(row)
      try publication.insertEntry(entry)
      try publication.withdraw(row.digest, by: withdrawal)
    }
    #expect(try reach()[row.digest] == [weights("bad"), weights("child")])
    #expect(try database.openAdvisories(reaching: [weights("child")]).map(\.digest) == [row.digest])
    #expect(try database.advisories().map(\.untrustedWithdrawals) == [[other]])
    #expect(try database.advisories()[0].withdrawal == nil)
    try database.close()
    let trusting = try LineageDatabase(path: folder.file, trusting: [Entry.store, other])
    #expect(try trusting.reachOfAdvisories().isEmpty)
    #expect(try trusting.advisories()[0].withdrawal == withdrawal)
    #expect(try trusting.advisories()[0].untrustedWithdrawals.isEmpty)
  }

  @Test("a database of the first format keeps its objects; its lineage comes again from documents")
  func migration() throws {
    let folder = try Folder()
    let old = try LineageDatabase(path: folder.file, migrations: Array(LineageDatabase.shipped[..<2]))
    try old.migrate()
    try old.publish { _ = try $0.insertPack(sha("pack"), bytes: 100) }
    try old.close()
    let queue = try DatabaseQueue(path: folder.file)
    try queue.write { db in
      try db.execute(
        sql: "INSERT INTO models VALUES (?, ?, 'stored', 1, 1, 1)",
        arguments: [Data(sha("bad").bytes), Data(weights("bad").bytes)])
    }
    try queue.close()
    let database = try folder.migrated()
    #expect(try database.integrityCheck() == [])
    #expect(try database.packs().map(\.digest) == [sha("pack")])
    #expect(try database.models().isEmpty)
  }

  @Test("10,000 models and 100,000 edges are walked in one query of tens of milliseconds")
  func speed() throws {
    var dice = SystemRandomNumberGenerator()
    let count = 10_000
    try database.publish { publication in
      for index in 0..<count {
        let name = "m\(index)"
        let parents = (0..<min(index, 10)).map { _ in "m\(Int.random(in: max(0, index - 2000)..<index, using: &dice))" }
        try publication.insertModel(.named(name, sequence: index + 1))
        try publication.add(.of(name, from: parents + (index > 0 ? ["m0"] : []), sequence: index + 1))
      }
      try publication.say(advisory("m0", sequence: count + 10))
    }
    let clock = ContinuousClock()
    var best = Duration.seconds(60)
    for _ in 0..<5 {
      let start = clock.now
      #expect(try database.reachOfAdvisories().count == count)
      best = min(best, clock.now - start)
    }
    // Tens of milliseconds on a quiet machine; tests share theirs with others.
    #expect(best < .seconds(2), "\(best)")
    #expect(try database.openAdvisories(reaching: [weights("m9999")]).count == 1)
  }
}

extension Publication {
  /// Records an advisory and its event.
  fileprivate func say(_ row: AdvisoryRow) throws {
    try insertEntry(.number(row.sequence))
    try insertAdvisory(row)
  }
}
