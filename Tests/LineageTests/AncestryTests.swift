import Lineage
import Objects
import Testing

@Suite struct AncestryTests {
  let folder: Folder
  let database: LineageDatabase

  init() throws {
    folder = try Folder()
    database = try folder.migrated()
  }

  private func models(_ derivations: [DerivationRow]) -> [Digest] { derivations.map(\.model) }

  @Test("in a diamond each ancestor and each descendant comes once, newest first, with its parents in order")
  func diamond() throws {
    try database.record([("base", []), ("math", ["base"]), ("code", ["base"]), ("fused", ["code", "math"]), ("x", [])])
    let up = try database.ancestors(of: sha("fused"))
    #expect(models(up) == ["fused", "code", "math", "base"].map { sha($0) })
    #expect(up[0].parents.map(\.parent) == [sha("code"), sha("math")])
    #expect(up[0].parents[0] == ParentRow(role: "input", parent: sha("code"), coefficient: 0.5))
    #expect(up[0] == .of("fused", from: ["code", "math"], sequence: 4))
    #expect(models(try database.descendants(of: sha("base"))) == ["fused", "code", "math"].map { sha($0) })
    #expect(try database.descendants(of: sha("base"))[0].parents.count == 2)
    #expect(models(try database.children(of: sha("math"))) == [sha("fused")])
    #expect(try database.parents(of: sha("derivation fused 4")) == up[0].parents)
    #expect(try database.descendants(of: sha("fused")).isEmpty)
    #expect(try database.allDerivations().count == 5)
  }

  @Test("a cycle is foreseen, can be recorded, and queries over it end")
  func cycle() throws {
    try database.record([("a", []), ("b", ["a"]), ("c", ["b"])])
    #expect(try database.wouldCycle(output: sha("a"), inputs: [sha("c")]))
    #expect(try database.wouldCycle(output: sha("a"), inputs: [sha("a")]))
    #expect(try !database.wouldCycle(output: sha("d"), inputs: [sha("c"), sha("a")]))
    #expect(try !database.wouldCycle(output: sha("c"), inputs: [sha("a")]))
    try database.publish { _ = try $0.add(.of("a", from: ["c"], sequence: 9)) }
    #expect(models(try database.ancestors(of: sha("b"))) == ["a", "c", "b", "a"].map { sha($0) })
    #expect(models(try database.descendants(of: sha("b"))) == ["a", "c", "b"].map { sha($0) })
    #expect(try database.derivations(of: sha("a")).map(\.sequence) == [9, 1])
  }

  @Test("a claimed parent and one that is gone are kept as they were said")
  func claimed() throws {
    var derivation = DerivationRow.of("m", from: [], sequence: 1)
    derivation.parents = [ParentRow(role: "base", parent: sha("gone"), claimed: true)]
    let row = derivation
    try database.publish { publication in
      try publication.insertModel(.named("m"))
      try publication.add(row)
    }
    #expect(try database.ancestors(of: sha("m")) == [row])
    #expect(models(try database.descendants(of: sha("gone"))) == [sha("m")])
  }

  @Test("a chain of 2,000 merges is walked in one query")
  func long() throws {
    try database.record((0..<2000).map { ("model \($0)", $0 == 0 ? [] : ["model \($0 - 1)"]) })
    let clock = ContinuousClock()
    let start = clock.now
    #expect(try database.ancestors(of: sha("model 1999")).count == 2000)
    #expect(try database.descendants(of: sha("model 0")).count == 1999)
    #expect(clock.now - start < .seconds(3))
  }
}
