import Lineage
import Objects
import Testing

@Suite struct ModelTests {
  let folder: Folder
  let database: LineageDatabase

  init() throws {
    folder = try Folder()
    database = try folder.migrated()
  }

  @Test("a model's state goes up by being recorded again and down only when it is said so")
  func states() throws {
    func record(_ state: ModelState, sequence: Int) throws -> ModelRow? {
      try database.publish { try $0.insertModel(.named("m", sequence: sequence, state: state)) }
      return try database.model(sha("m"))
    }
    #expect(try record(.absent, sequence: 5)?.state == .absent)
    #expect(try record(.virtual, sequence: 6)?.state == .virtual)
    #expect(try record(.absent, sequence: 7)?.state == .virtual)
    #expect(try record(.stored, sequence: 8)?.state == .stored)
    #expect(try record(.virtual, sequence: 9)?.state == .stored)
    #expect(try database.model(sha("m"))?.sequence == 5)
    try database.publish { try $0.setState(sha("m"), .absent) }
    #expect(try database.model(sha("m"))?.state == .absent)
    #expect(throws: LineageError.unknownModel(sha("x"))) {
      try database.publish { try $0.setState(sha("x"), .stored) }
    }
  }

  @Test("ids are found by a prefix of hex digits")
  func prefix() throws {
    let names = (0..<50).map { "model \($0)" }
    try database.record(names.map { ($0, []) })
    let wanted = sha("model 7")
    #expect(try database.resolve(prefix: wanted.hex) == [wanted])
    #expect(try database.resolve(prefix: String(wanted.hex.prefix(13))) == [wanted])
    let first = String(wanted.hex.prefix(1))
    let expected = names.map { sha($0) }.filter { $0.hex.hasPrefix(first) }.sorted()
    #expect(try database.resolve(prefix: first, limit: 100) == expected)
    #expect(try database.resolve(prefix: first, limit: 1) == [expected[0]])
    for odd in ["", "xyz", "AB", wanted.hex + "0", "é"] { #expect(try database.resolve(prefix: odd).isEmpty) }
  }

  @Test("sketches are kept, wherever a model's bytes are, through being recorded again")
  func sketches() throws {
    try database.publish { publication in
      try publication.insertModel(.named("a"), sketch: [1, 2, 3])
      try publication.insertModel(.named("a"))
      try publication.insertModel(.named("b", sequence: 2))
      try publication.insertModel(.named("c", sequence: 3, state: .virtual), sketch: [4])
    }
    let sketches = try database.sketches()
    #expect(sketches.map(\.model) == [sha("c"), sha("a")])
    #expect(sketches.map(\.sketch) == [[4], [1, 2, 3]])
    #expect(sketches.map(\.state) == [.virtual, .stored])
    #expect(try database.models(withWeights: sha("weights of a")).map(\.id) == [sha("a")])
  }

  @Test("a model goes with its derivations; a name that leads to it stays")
  func deletion() throws {
    try database.record([("base", []), ("tune", ["base"])])
    try database.publish { try $0.rename("n", "base", sequence: 3) }
    try database.publish { try $0.deleteModels([sha("base")]) }
    #expect(try database.name("n")?.model == sha("base"))
    #expect(try database.derivations(of: sha("base")).isEmpty)
    #expect(try database.ancestors(of: sha("tune")).map(\.model) == [sha("tune")])
    #expect(try database.parents(of: sha("derivation tune 2")).map(\.parent) == [sha("base")])
  }

  @Test("every document that a row names is listed")
  func documents() throws {
    try database.publish { publication in
      try publication.insertModel(.named("m"))
      var derivation = DerivationRow.of("m", from: [], sequence: 1)
      derivation.recipe = sha("recipe")
      #expect(try publication.add(derivation))
      #expect(try !publication.add(derivation))
      try publication.rename("n", "m", sequence: 2)
      #expect(throws: LineageError.unknownModel(sha("x"))) {
        try publication.add(.of("x", from: [], sequence: 9))
      }
    }
    let expected = [sha("m"), sha("derivation m 1"), sha("recipe")]
    #expect(try database.referencedDocuments() == Set(expected))
  }

  @Test("10,000 models are listed, newest first with their names, and one is found by name, in little time")
  func many() throws {
    try database.publish { publication in
      for index in 1...10_000 {
        try publication.insertModel(.named("model \(index)", sequence: index), sketch: Array(repeating: 7, count: 500))
        try publication.rename("name-\(index)", "model \(index)", sequence: 10_000 + index)
      }
      try publication.rename("best", "model 9999", sequence: 30_000)
    }
    let clock = ContinuousClock()
    var models: [NamedModel] = []
    let listing = try clock.measure { models = try database.models() }
    #expect(models.count == 10_000)
    #expect(models[0].names == ["name-10000"])
    #expect(models[1].names == ["best", "name-9999"])
    let start = clock.now
    #expect(try database.name("NAME-5000")?.model == sha("model 5000"))
    #expect(try database.model(sha("model 5000"))?.sequence == 5000)
    let showing = clock.now - start
    // A debug build on a busy machine: these only catch a scan of every row, or a query a row.
    #expect(listing < .seconds(3))
    #expect(showing < .milliseconds(500))
  }
}
