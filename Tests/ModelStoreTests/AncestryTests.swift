import Foundation
import JSON
import TestSupport
import Testing

@testable import ModelStore

@Suite("lineage that outlives bytes")
struct AncestryTests {
  /// Everything that people can ask about lineage.
  private func answers(_ stage: Stage) throws -> [String] {
    let store = try stage.open()
    let models = try store.list(all: true)
    return try models.map { $0.json.pretty() } + models.map { try store.log($0.id).json.pretty() }
      + models.map { try store.show($0.id).json.pretty() }
  }

  /// How a model was made, without the names of its parents.
  private static func making(_ node: LineageReport.Node) -> String {
    node.derivations.reduce(node.id) { text, derivation in
      let parents = derivation.parents.map { "\($0.id) \($0.role) \($0.coefficient ?? 0) \($0.claimed)" }
      return text + " \(derivation.kind) \(derivation.madeAt) \(derivation.madeBy) \(parents)"
    }
  }

  /// That a database made anew gives the same answers.
  private func expectRebuilt(_ stage: Stage, _ context: Comment? = nil) throws {
    let before = try answers(stage)
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty, context)
    let after = try answers(stage)
    #expect(after.count == before.count, context)
    for (after, before) in zip(after, before) where after != before {
      Issue.record("\(context?.description ?? ""): \(before) became \(after)")
    }
  }

  /// `kept` holds the bytes of a merge of the merge `fused` of `one` and `two`.
  private func prepared() throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
    }
    _ = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused")
    let again = averageRecipe.replacingOccurrences(of: "model: two", with: "model: fused")
    _ = try store.merge(recipe: again, relativeTo: "/", name: "kept", keepBytes: true)
    return stage
  }

  @Test("ancestors that were collected still show how they were made, and only their bytes are gone")
  func ancestors() throws {
    let stage = try prepared()
    try collectAncestors(stage)
    try expectRebuilt(stage)
  }

  private func collectAncestors(_ stage: Stage) throws {
    let store = try stage.open()
    let id = try store.show("fused").summary.id
    let before = try store.log("kept").nodes.map(Self.making)
    for name in ["one", "two", "fused"] { _ = try store.remove(name) }
    let report = try store.collect(olderThan: 0)
    #expect(report.models == 0)
    #expect(report.modelsAbsent > 0)

    let nodes = try store.log("kept").nodes
    #expect(nodes.map(Self.making) == before)
    #expect(before.count == 4)
    #expect(nodes.first { $0.id == id }?.state == "absent")
    #expect(nodes.first { $0.id == id }?.derivations.first?.method == "linear")
    #expect(try store.show(id).tensors.count == 3)
    #expect(try store.list().map(\.names) == [["kept"]])
    #expect(try store.list(all: true).contains { $0.id == id && $0.state == "absent" })
    #expect(try store.stats().virtualModels == 0)

    _ = try store.export("kept", to: stage.folder.path + "/out")
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("an absent model cannot be exported, merged or named, and the error says what to do")
  func absent() throws {
    let stage = try prepared()
    let store = try stage.open()
    let id = try store.show("two").summary.id
    for name in ["two", "fused"] { _ = try store.remove(name) }
    _ = try store.collect(olderThan: 0)
    for use in [
      { _ = try store.export(id, to: stage.folder.path + "/out") },
      {
        let recipe = averageRecipe.replacingOccurrences(of: "model: two", with: "model: \(id)")
        _ = try store.merge(recipe: recipe, relativeTo: "/", name: "x")
      },
      { _ = try store.tag(id, as: "x") },
    ] {
      #expect { try use() } throws: { error in
        guard let error = error as? RepositoryError else { return false }
        return error.kind == .notFound && error.message.contains("only its lineage") && error.hint != nil
      }
    }
    #expect(!FileManager.default.fileExists(atPath: stage.folder.path + "/out"))
    let back = try store.importCheckpoint(at: stage.folder.path + "/two", name: "two", base: nil)
    #expect(back.id == id)
    _ = try store.export("two", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/two", stage.folder.path + "/out"))
  }

  @Test("when the last descendant has gone, so has the lineage of its ancestors")
  func forgotten() throws {
    let stage = try prepared()
    let store = try stage.open()
    for name in ["one", "two", "fused"] { _ = try store.remove(name) }
    _ = try store.collect(olderThan: 0)
    _ = try store.remove("kept")
    #expect(try store.collect(olderThan: 0).models == 4)
    #expect(try store.list(all: true).isEmpty)
    #expect(try store.stats().packBytes == 0)
    #expect(try store.verify().garbage.isEmpty)
  }

  @Test("after any removals gc loses nothing named, twice is as once, and rebuild agrees")
  func anyFamily() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for round in 0..<6 {
      let stage = try Stage()
      let context: Comment = "seed \(seed), round \(round)"
      let names = try addFamily(to: stage, &dice)
      let gone = names.filter { _ in Bool.random(using: &dice) }
      try collect(gone, of: names, stage, context)
      try expectRebuilt(stage, context)
    }
  }

  /// Seven models: imports that resemble each other, and merges of earlier ones with or without their bytes.
  private func addFamily(to stage: Stage, _ dice: inout SplitMix) throws -> [String] {
    let store = try stage.open()
    var names: [String] = []
    for index in 0..<7 {
      let name = "m\(index)"
      if names.count > 1, Bool.random(using: &dice) {
        let parents = names.shuffled(using: &dice)
        let recipe = averageRecipe.replacingOccurrences(of: "model: one", with: "model: \(parents[0])")
          .replacingOccurrences(of: "model: two", with: "model: \(parents[1])")
        _ = try store.merge(recipe: recipe, relativeTo: "/", name: name, keepBytes: Bool.random(using: &dice))
      } else {
        let tune = UInt64.random(in: 0..<5, using: &dice)
        let model = Stage.model(seed: UInt64.random(in: 1...2, using: &dice), tune: tune)
        _ = try store.importCheckpoint(at: try stage.write(name, model), name: name, base: nil)
      }
      names.append(name)
    }
    return names
  }

  private func collect(_ gone: [String], of names: [String], _ stage: Stage, _ context: Comment) throws {
    let store = try stage.open()
    for name in names { _ = try store.export(name, to: "\(stage.folder.path)/before/\(name)") }
    for name in gone { try store.untag(name) }
    let promise = try store.collect(dryRun: true, olderThan: 0)
    let report = try store.collect(olderThan: 0)
    #expect(promise.bytes == report.bytes && promise.models == report.models, context)
    #expect(promise.modelsAbsent == report.modelsAbsent && promise.packsRewritten == report.packsRewritten, context)
    let again = try store.collect(olderThan: 0)
    #expect(again.bytes == 0 && again.models == 0 && again.modelsAbsent == 0, context)
    for name in names where !gone.contains(name) {
      _ = try store.export(name, to: "\(stage.folder.path)/after/\(name)")
      #expect(try Stage.same("\(stage.folder.path)/before/\(name)", "\(stage.folder.path)/after/\(name)"), context)
    }
    let verified = try store.verify()
    #expect(verified.damage.isEmpty && verified.garbage.isEmpty, context)
  }
}
