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
    database = try folder.migrated()
  }

  private func weights(_ model: String) -> Digest { sha("weights of " + model) }

  private func advisory(_ model: String, sequence: Int, clearedBy: [String] = []) -> AdvisoryRow {
    AdvisoryRow(
      digest: sha("advisory \(model) \(sequence)"), weightsID: weights(model), model: sha(model), kind: "misaligned",
      reason: "it is", clearedBy: clearedBy, madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", sequence: sequence)
  }

  /// The weights that open advisories reach, by advisory.
  private func reach() throws -> [Digest: Set<Digest>] {
    try Dictionary(grouping: database.reachOfAdvisories(), by: \.advisory).mapValues { Set($0.map(\.weights)) }
  }

  @Test("an advisory reaches all that descends from its weights, at once and later, and nothing else")
  func reaching() throws {
    try database.record([("base", []), ("bad", ["base"]), ("good", ["base"]), ("fused", ["good", "bad"]), ("x", [])])
    let row = advisory("bad", sequence: 20)
    try database.publish { _ = try $0.insertAdvisory(row) }
    #expect(try reach() == [row.digest: [weights("bad"), weights("fused")]])
    try database.publish { publication in
      try publication.insertModel(.named("late", sequence: 21))
      try publication.insertDerivation(.of("late", from: ["fused"], sequence: 21))
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
      try publication.insertDerivation(.of("child", from: ["copy"], sequence: 3))
      try publication.insertAdvisory(self.advisory("bad", sequence: 4))
    }
    #expect(try reach().values.first == [weights("bad"), weights("child")])
  }

  @Test("circles end, and a parent that comes after its child is a parent all the same")
  func circles() throws {
    let row = advisory("parent", sequence: 30)
    try database.publish { publication in
      try publication.insertModel(.named("child", sequence: 1))
      try publication.insertDerivation(.of("child", from: ["parent"], sequence: 1))
      try publication.insertAdvisory(row)
    }
    #expect(try reach()[row.digest] == [weights("parent")])
    try database.publish { publication in
      try publication.insertModel(.named("parent", sequence: 2))
      try publication.insertDerivation(.of("parent", from: ["child"], sequence: 2))
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
      document: sha("withdrawal"), reason: nil, madeAt: "2025-01-02T03:04:05Z", madeBy: "bob", sequence: 21)
    try database.publish { publication in
      try publication.insertAdvisory(row)
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
    #expect(try database.reserveSequence() == 22)
  }

  @Test("evaluations come back with their metrics, newest first, of the weights that were asked for")
  func evaluations() throws {
    func row(_ model: String, _ sequence: Int, _ metrics: [EvaluationRow.Metric]) -> EvaluationRow {
      EvaluationRow(
        digest: sha("evaluation \(sequence)"), weightsID: weights(model), model: sha(model), tokenizer: sha("t"),
        madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", sequence: sequence, metrics: metrics)
    }
    let one = row("a", 5, [.init(name: "loss", data: sha("d"), value: 0.5)])
    let two = row("a", 6, [.init(name: "rate", data: sha("d"), value: 0.9, n: 10, hits: 9)])
    let other = row("b", 7, [])
    try database.publish { publication in
      for row in [one, two, other] {
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
        try $0.insertEvaluation(row("c", 8, [.init(name: "rate", data: sha("d"), value: 1, n: 2, hits: 3)]))
      }
    }
  }

  @Test("a store of the first format gets its edges with the migration")
  func migration() throws {
    let folder = try Folder()
    let old = try LineageDatabase(path: folder.file, migrations: [LineageDatabase.shipped[0]])
    try old.migrate()
    try old.close()
    // As the program of that time wrote them.
    let queue = try DatabaseQueue(path: folder.file)
    try queue.write { db in
      for (index, name) in ["bad", "child"].enumerated() {
        try db.execute(
          sql: "INSERT INTO models VALUES (?, ?, 'stored', 1, 1, ?)",
          arguments: [Data(sha(name).bytes), Data(weights(name).bytes), index + 1])
      }
      try db.execute(sql: "UPDATE counter SET next = 3")
      let derivation = Data(sha("derivation").bytes)
      try db.execute(
        sql: "INSERT INTO derivations VALUES (?, ?, 'merge', 't', 'ada', 'x', NULL, 2)",
        arguments: [derivation, Data(sha("child").bytes)])
      try db.execute(
        sql: "INSERT INTO parents VALUES (?, 0, 'input', ?, NULL, 0)",
        arguments: [derivation, Data(sha("bad").bytes)])
    }
    try queue.close()
    let database = try folder.migrated()
    #expect(try database.integrityCheck() == [])
    let row = advisory("bad", sequence: 20)
    try database.publish { _ = try $0.insertAdvisory(row) }
    #expect(Set(try database.reachOfAdvisories().map(\.weights)) == [weights("bad"), weights("child")])
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
        try publication.insertDerivation(.of(name, from: parents + (index > 0 ? ["m0"] : []), sequence: index + 1))
      }
      try publication.insertAdvisory(advisory("m0", sequence: count + 10))
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
