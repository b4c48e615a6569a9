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

  private func rename(_ name: String, _ model: String?, sequence: Int, replacing: Bool = false) throws {
    try database.publish { try $0.rename(name, model, sequence: sequence, replacing: replacing) }
  }

  @Test("a name is given, moved and taken away, and its history stays")
  func history() throws {
    try rename("math", "a", sequence: 10)
    try rename("math", "b", sequence: 11, replacing: true)
    try rename("math", nil, sequence: 12)
    #expect(try database.name("math") == nil)
    #expect(try database.nameHistory("math").map(\.sequence) == [12, 11, 10])
    #expect(try database.nameHistory("math").map(\.isReplaced) == [false, true, true])
    #expect(try database.nameHistory("other").isEmpty)
    try rename("math", "a", sequence: 13)
    try rename("alt", "a", sequence: 14)
    #expect(try database.names(of: sha("a")) == ["alt", "math"])
    #expect(try database.allNames().map(\.name) == ["alt", "math"])
    #expect(try database.integrityCheck() == [])
  }

  @Test("a name moves to another model only when it is said so")
  func replacing() throws {
    try rename("math", "a", sequence: 10)
    try rename("math", "a", sequence: 11)
    #expect(throws: LineageError.nameConflict(name: "math", existing: "math", model: sha("a"))) {
      try rename("math", "b", sequence: 12)
    }
    #expect(try database.nameHistory("math").count == 2)
    try rename("math", "b", sequence: 12, replacing: true)
    #expect(try database.name("math")?.model == sha("b"))
  }

  @Test("names that differ only by case conflict, until the first is taken away")
  func caseConflict() throws {
    try rename("Math", "a", sequence: 10)
    for model in ["a", "b"] {
      #expect(throws: LineageError.nameConflict(name: "math", existing: "Math", model: sha("a"))) {
        try rename("math", model, sequence: 11, replacing: true)
      }
    }
    #expect(try database.name("mATH")?.name == "Math")
    try rename("Math", nil, sequence: 12)
    try rename("math", "b", sequence: 13)
    #expect(try database.name("Math")?.name == "math")
  }

  @Test("of two changes that replace the same one the greater holds the name, and the other stays until one is decided")
  func diverged() throws {
    let first = Entry.number(10, names: [.init(name: "math", model: sha("a"), replaces: [])])
    let sides = ["b", "c"].enumerated().map { index, model in
      Entry.number(
        11, names: [.init(name: "math", model: sha(model), replaces: [first.digest])],
        store: StoreID(of: sha("store \(index)")))
    }
    for entry in [first] + sides.sorted() {
      try database.publish { publication in
        try publication.insertEntry(entry)
        try publication.recordNames(of: entry)
      }
    }
    let (holder, other) = (sides.max()!, sides.min()!)
    #expect(try database.name("math")?.model == holder.names[0].model)
    #expect(try database.nameConflicts().map(\.entry) == [other.digest])
    #expect(try database.nameConflicts().map(\.model) == [other.names[0].model])
    #expect(try database.heads().map(\.place.entry).contains(other.digest))
    #expect(try database.integrityCheck() == [])
    try rename("math", "a", sequence: 12, replacing: true)
    #expect(try database.name("math")?.model == sha("a"))
    #expect(try database.nameConflicts().isEmpty)
    #expect(try database.nameHistory("math").map(\.isReplaced) == [false, true, true, true])
  }

  @Test("two sides that name the same model agree, and a side that took the name away leaves nothing to decide")
  func agreeing() throws {
    let other = StoreID(of: sha("other"))
    let entries = [
      Entry.number(10, names: [.init(name: "same", model: sha("a"), replaces: [])]),
      Entry.number(10, names: [.init(name: "same", model: sha("a"), replaces: [])], store: other),
      Entry.number(11, names: [.init(name: "gone", model: nil, replaces: [])]),
      Entry.number(12, names: [.init(name: "gone", model: sha("b"), replaces: [])]),
    ]
    for entry in entries.sorted() {
      try database.publish { publication in
        try publication.insertEntry(entry)
        try publication.recordNames(of: entry)
      }
    }
    #expect(try database.allNames().map(\.name) == ["gone", "same"])
    #expect(try database.nameConflicts().isEmpty)
  }

  @Test("a name is kept whatever became of its model")
  func missingModel() throws {
    try rename("x", "x", sequence: 10)
    #expect(try database.name("x")?.model == sha("x"))
    #expect(try database.integrityCheck() == [])
  }
}
