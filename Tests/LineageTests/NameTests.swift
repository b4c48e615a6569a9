import Lineage
import Objects
import Testing

@Suite struct NameTests {
  let folder: Folder
  let database: LineageDatabase

  init() throws {
    folder = try Folder()
    database = try folder.migrated()
    try database.record([("a", []), ("b", [])])
  }

  private func record(_ event: NameEvent, replacing: Bool = false) throws {
    try database.publish { try $0.recordName(event, replacing: replacing) }
  }

  @Test("a name is given, moved and taken away, and its history stays")
  func history() throws {
    let events: [NameEvent] = [
      .naming("math", "a", sequence: 10), .naming("math", "b", sequence: 11), .naming("math", nil, sequence: 12),
    ]
    for event in events { try record(event, replacing: true) }
    #expect(try database.name("math") == nil)
    #expect(try database.nameHistory("math") == events.reversed())
    #expect(try database.nameHistory("other").isEmpty)
    try record(.naming("math", "a", sequence: 13))
    try record(.naming("alt", "a", sequence: 14))
    #expect(try database.names(of: sha("a")) == ["alt", "math"])
    #expect(try database.allNames().map(\.name) == ["alt", "math"])
  }

  @Test("a name moves to another model only when it is said so")
  func replacing() throws {
    try record(.naming("math", "a", sequence: 10))
    try record(.naming("math", "a", sequence: 11))
    #expect(throws: LineageError.nameConflict(name: "math", existing: "math", model: sha("a"))) {
      try record(.naming("math", "b", sequence: 12))
    }
    #expect(try database.nameHistory("math").count == 2)
    try record(.naming("math", "b", sequence: 12), replacing: true)
    #expect(try database.name("math")?.model == sha("b"))
  }

  @Test("names that differ only by case conflict, until the first is taken away")
  func caseConflict() throws {
    try record(.naming("Math", "a", sequence: 10))
    for model in ["a", "b", nil] {
      #expect(throws: LineageError.nameConflict(name: "math", existing: "Math", model: sha("a"))) {
        try record(.naming("math", model, sequence: 11), replacing: true)
      }
    }
    #expect(try database.name("mATH")?.name == "Math")
    try record(.naming("Math", nil, sequence: 12))
    try record(.naming("math", "b", sequence: 13))
    #expect(try database.name("Math")?.name == "math")
  }

  @Test("the newest event decides, in whatever order events come, and one that comes again changes nothing")
  func order() throws {
    let events: [NameEvent] = [
      .naming("Math", "a", sequence: 10), .naming("Math", nil, sequence: 11), .naming("math", "a", sequence: 12),
      .naming("math", "b", sequence: 13), .naming("gone", "a", sequence: 14), .naming("gone", nil, sequence: 15),
    ]
    for event in events.reversed() { try record(event, replacing: true) }
    for event in events { try record(event) }
    #expect(try database.allNames().map(\.name) == ["math"])
    #expect(try database.name("math")?.model == sha("b"))
    #expect(try database.nameHistory("math").map(\.sequence) == [13, 12, 11, 10])
    #expect(try database.reserveSequence() == 16)
    #expect(try database.integrityCheck() == [])
  }

  @Test("a name for a model that is not on record is refused")
  func unknownModel() throws {
    #expect(throws: LineageError.unknownModel(sha("x"))) { try record(.naming("x", "x", sequence: 10)) }
    #expect(try database.nameHistory("x").isEmpty)
  }
}
