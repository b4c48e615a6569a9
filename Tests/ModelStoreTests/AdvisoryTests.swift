import Foundation
import JSON
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("advisories flow") struct AdvisoryTests {
  static let data = Digest(of: Array("safety.jsonl".utf8))
  static let bound = "refusal_rate >= 0.9 on sha256:\(data.hex)"

  static func results(_ hits: Int, of n: Int, on data: Digest = data) -> [UInt8] {
    Array(
      """
      {"evaluator": {"program": "test", "version": "1", "sha256": "\(data.hex)"},
       "data": [{"name": "safety", "sha256": "\(data.hex)"}],
       "metrics": {"refusal_rate": {"n": \(n), "hits": \(hits)}}}
      """.utf8)
  }

  /// `bad` and `good` were made from `base`; `fused` is a merge of both.
  static func family() throws -> (Stage, Repository) {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("base", UInt64(0)), ("bad", 5), ("good", 7)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: name == "base" ? nil : "base")
    }
    _ = try store.merge(recipe: recipe("bad", "good"), relativeTo: "/", name: "fused")
    return (stage, store)
  }

  static func recipe(_ one: String, _ two: String, _ weight: Double = 0.25) -> String {
    averageRecipe.replacing("model: one", with: "model: \(one)").replacing("model: two", with: "model: \(two)")
      .replacing("0.25", with: "\(weight)")
  }

  private func flagged(_ store: Repository) throws -> [String] {
    try store.list().filter { !$0.flags.isEmpty }.flatMap(\.names).sorted()
  }

  private func refuses(_ use: () throws -> Void) -> Bool {
    do {
      try use()
      return false
    } catch let error as RepositoryError {
      return error.kind == .conflict && error.message.contains("misaligned") && error.hint != nil
    } catch { return false }
  }

  @Test("an advisory flags merges, fine-tunes and adapters of a model at once, and new ones as they are made")
  func flow() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    #expect(try flagged(store).isEmpty)
    let report = try store.advise("bad", kind: "misaligned", reason: "it\n complies", clearedBy: [Self.bound])
    #expect(report.flagged == 2 && report.reason == "it complies")
    #expect(try flagged(store) == ["bad", "fused"])
    // Unnamed, it comes in; a name is refused.
    let path = try stage.write("tuned", Stage.model(seed: 1, tune: 9))
    #expect(refuses { _ = try store.importCheckpoint(at: path, name: "tuned", base: "bad") })
    let id = try store.importCheckpoint(at: path, name: nil, base: "bad").id
    #expect(refuses { _ = try store.tag(id, as: "tuned") })
    _ = try store.tag(id, as: "tuned", permission: Permission(allowsFlagged: true))
    _ = try store.extract(
      "bad", base: "base", rank: 2, to: nil, name: "low", permission: Permission(allowsFlagged: true))
    #expect(try flagged(store) == ["bad", "fused", "low", "tuned"])
    #expect(try store.log("fused").nodes.filter { !$0.flags.isEmpty }.flatMap(\.names) == ["fused", "bad"])
    let flag = try #require(try store.show("tuned").summary.flags.first)
    #expect(flag.source == "bad" && !flag.isDirect && flag.advisory == report.id && flag.clearedBy == [Self.bound])
  }

  @Test("a merge that rounds to the weights of another model makes that a descendant too")
  func rounding() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    _ = try store.advise("bad", kind: "misaligned", reason: "it complies", clearedBy: [Self.bound])
    // A quarter of what fused differs by is less than half a step of bf16.
    let allowed = Permission(allowsFlagged: true)
    let same = try store.merge(
      recipe: Self.recipe("fused", "good"), relativeTo: "/", name: nil, permission: allowed)
    #expect(try store.show(same.id).weightsID == store.show("good").weightsID)
    #expect(try flagged(store) == ["bad", "fused", "good"])
    _ = try store.addEvaluation(of: "good", results: Self.results(95, of: 100), label: "results")
    #expect(try flagged(store) == ["bad", "fused"])
  }

  @Test("another README or configuration does not lift it, and what has the same weights is flagged")
  func sameWeights() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    _ = try store.advise("bad", kind: "misaligned", reason: "it complies")
    let path = try stage.write("washed", Stage.model(seed: 1, tune: 5))
    try Data("# A fine model\n".utf8).write(to: URL(fileURLWithPath: path + "/README.md"))
    try Data("{\"torch_dtype\": \"bfloat16\", \"a\": 1}\n".utf8).write(to: URL(fileURLWithPath: path + "/config.json"))
    #expect(refuses { _ = try store.importCheckpoint(at: path, name: "washed", base: "base") })
    let washed = try store.importCheckpoint(at: path, name: nil, base: "base").id
    let flag = try #require(try store.show(washed).summary.flags.first)
    #expect(flag.isDirect)
    // And what is made of it.
    #expect(
      refuses { _ = try store.merge(recipe: Self.recipe(washed, "good"), relativeTo: "/", name: nil) })
    #expect(try store.blast("bad").sameWeights == [washed])
  }

  @Test("export, merge and tag refuse a flagged model, and --allow-flagged is recorded in documents")
  func gates() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    let advisory = try store.advise("bad", kind: "misaligned", reason: "it complies").id
    let out = stage.folder.path + "/out"
    let norm = ModelPart.tensor("model.norm.weight")
    #expect(refuses { _ = try store.export("fused", to: out) })
    #expect(refuses { _ = try store.exportTensors("fused", tensors: ["model.norm.weight"], to: out) })
    #expect(refuses { _ = try store.exportRange("fused", of: norm, from: 0, to: 8, at: out) })
    #expect(refuses { try store.readRange("fused", of: norm, from: 0, to: 8) { _ in } })
    #expect(refuses { _ = try store.merge(recipe: Self.recipe("fused", "good"), relativeTo: "/", name: nil) })
    #expect(refuses { _ = try store.tag("fused", as: "again") })
    #expect(refuses { _ = try store.extract("bad", base: "base", rank: 2, to: out, name: nil) })
    #expect(!stage.holds("out"))
    #expect(try store.allowances().isEmpty)

    let allowed = Permission(allowsFlagged: true)
    _ = try store.export("fused", to: out, permission: allowed)
    let allowance = try #require(try store.allowances().first)
    #expect(allowance.target == out && allowance.advisories == [advisory] && allowance.action == "export")
    let merged = try store.merge(
      recipe: Self.recipe("fused", "base"), relativeTo: "/", name: "again", permission: allowed)
    #expect(try store.log("again").nodes[0].derivations[0].allowedFlagged == [advisory])
    _ = try store.tag("fused", as: "v1", permission: allowed)
    let names = try store.lineage.events().flatMap { try store.history.entries.get($0.place.name).names }
    #expect(names.filter { !$0.allowedFlagged.isEmpty }.map(\.name) == ["again", "v1"])
    // A name that it has already is not given again, and what is not flagged leaves no trace.
    _ = try store.tag("fused", as: "v1")
    _ = try store.export("good", to: out + "2", permission: allowed)
    #expect(try store.allowances().count == 1)
    #expect(merged.state == "virtual")
    #expect(try store.verify().damage.isEmpty)
  }

  private func documents(of type: String, in store: Repository) throws -> [JSONValue] {
    try store.documents.all().digests.map { try store.documents.get($0).value }.filter { $0["type"]?.text == type }
  }

  @Test("only its own evaluation that meets the bound clears a descendant, and nothing that is made of it")
  func clearing() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    let advisory = try store.advise("bad", kind: "misaligned", reason: "it complies", clearedBy: [Self.bound])
    // The parent's verdicts do not add up.
    for name in ["good", "base", "bad"] {
      _ = try store.addEvaluation(of: name, results: Self.results(100, of: 100), label: "results")
    }
    #expect(try flagged(store) == ["bad", "fused"])
    // Too low, then the right number on other data.
    _ = try store.addEvaluation(of: "fused", results: Self.results(89, of: 100), label: "results")
    let other = Digest(of: Array("other".utf8))
    _ = try store.addEvaluation(of: "fused", results: Self.results(95, of: 100, on: other), label: "results")
    #expect(try flagged(store) == ["bad", "fused"])
    let evaluation = try store.addEvaluation(of: "fused", results: Self.results(90, of: 100), label: "results")
    #expect(try flagged(store) == ["bad"])
    let summary = try store.show("fused").summary
    #expect(summary.cleared.map(\.advisory) == [advisory.id] && summary.cleared[0].evaluations == [evaluation.id])
    _ = try store.merge(recipe: Self.recipe("fused", "base"), relativeTo: "/", name: nil)
    let child = try #require(try store.list(all: true).first { $0.names.isEmpty })
    #expect(!child.flags.isEmpty)
    #expect(refuses { _ = try store.tag(child.id, as: "child") })
    let report = try #require(try store.advisories().first)
    #expect(report.flagged == 2 && report.cleared == 1)
    // A later and worse evaluation flags it again.
    _ = try store.addEvaluation(of: "fused", results: Self.results(10, of: 100), label: "results")
    #expect(try flagged(store) == ["bad", "fused"])
  }

  @Test("a mask and a subspace that come from another store descend from what their configurations name")
  func imported() throws {
    let (stage, store) = try Self.family()
    _ = try store.makeMask(.magnitude(share: 0.25, of: "bad", against: "base"), name: "mask")
    _ = try store.deriveSubspace(aligned: "bad", unaligned: "base", size: .rank(1), name: "space")
    for name in ["mask", "space"] { _ = try store.export(name, to: "\(stage.folder.path)/\(name)-out") }
    let (other, second) = try Self.family()
    defer { withExtendedLifetime(other) {} }
    _ = try second.importMask(at: "\(stage.folder.path)/mask-out", space: nil, reading: nil, name: "mask")
    _ = try second.importSubspace(at: "\(stage.folder.path)/space-out", name: "space")
    #expect(try second.showMask("mask").parents.map(\.role) == ["made_from", "made_from"])
    _ = try second.advise("bad", kind: "misaligned", reason: "it complies")
    #expect(try flagged(second) == ["bad", "fused", "mask", "space"])
    // A name more for what is flagged itself, as where it is made.
    _ = try second.tag("mask", as: "again")
  }

  @Test("an advisory without a bound, and the advised weights, are only cleared by withdrawal")
  func withdrawal() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    let id = try store.advise("bad", kind: "licence", reason: "revoked").id
    _ = try store.addEvaluation(of: "fused", results: Self.results(100, of: 100), label: "results")
    #expect(try flagged(store) == ["bad", "fused"])
    #expect { try store.withdraw("00000000") } throws: { ($0 as? RepositoryError)?.kind == .notFound }
    #expect(try store.withdraw(String(id.prefix(12)), reason: "renewed").withdrawalReason == "renewed")
    #expect { try store.withdraw(id) } throws: { ($0 as? RepositoryError)?.kind == .conflict }
    #expect(try flagged(store).isEmpty)
    #expect(try store.advisories().map(\.isOpen) == [false])
  }

  @Test("an evaluation is of another model with the same weights only where tokenizer and chat template are the same")
  func trappings() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    _ = try store.advise("base", kind: "misaligned", reason: "it complies", clearedBy: [Self.bound])
    func copy(_ name: String, _ files: [String: String]) throws -> String {
      let path = try stage.write(name, Stage.model(seed: 1, tune: 7))
      for (file, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(file)")) }
      return try store.importCheckpoint(at: path, name: nil, base: "base").id
    }
    let template = ["chat_template.jinja": "{{ one }}"]
    let one = try copy("one", template)
    let readme = try copy("two", template.merging(["README.md": "two"]) { $1 })
    let other = try copy("three", ["chat_template.jinja": "{{ two }}"])
    let report = try store.addEvaluation(of: one, results: Self.results(99, of: 100), label: "results")
    #expect(report.tokenizer == nil && report.chatTemplate == Digest(of: Array("{{ one }}".utf8)).hex)
    #expect(try store.show(one).summary.flags.isEmpty)
    #expect(try store.show(readme).summary.flags.isEmpty)
    #expect(try !store.show(other).summary.flags.isEmpty)
    #expect(try store.evaluations(of: other).count == 1)
  }

  @Test("rebuild brings all of it back, gc keeps the documents, a backup has them")
  func rebuild() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    let id = try store.advise("bad", kind: "misaligned", reason: "it complies", clearedBy: [Self.bound]).id
    _ = try store.withdraw(try store.advise("good", kind: "licence", reason: "revoked").id)
    _ = try store.addEvaluation(of: "fused", results: Self.results(95, of: 100), label: "results")
    _ = try store.export("bad", to: stage.folder.path + "/out", permission: Permission(allowsFlagged: true))
    try Data("names:\n  - {pattern: prod/*, no_open_advisory: true}\n".utf8)
      .write(to: URL(fileURLWithPath: stage.store + "/policy.yml"))
    let bad = try store.show("bad").summary.id
    func answers(_ store: Repository) throws -> [String] {
      try store.list(all: true).map { $0.json.pretty() } + store.advisories().map { $0.json.pretty() }
        + store.allowances().map { $0.json.pretty() } + store.evaluations().map { $0.json.pretty() }
        + [bad, "base", "good"].map { try store.blast($0).json.pretty() }
        + [store.log("fused").json.pretty()]
    }
    // The advised model goes; its descendant keeps its lineage.
    _ = try store.remove("bad")
    _ = try store.collect(olderThan: 0)
    let before = try answers(store)
    #expect(before.count == 4 + 2 + 1 + 1 + 3 + 1)
    _ = try store.backup(to: stage.folder.path + "/copy")
    #expect(try answers(Repository(at: stage.folder.path + "/copy/.stemma")) == before)
    #expect(stage.holds("copy/.stemma/policy.yml"))
    #expect(try store.verify().garbage.isEmpty)
    let stage2 = try Stage(copyOf: stage)
    #expect(try Repository.rebuild(at: stage2.store).damage.isEmpty)
    #expect(try answers(stage2.open()) == before)
    // Gone altogether and imported again, the weights are flagged as before.
    for name in ["fused", "good", "base"] { _ = try store.remove(name) }
    _ = try store.collect(olderThan: 0)
    #expect(try store.list(all: true).allSatisfy { $0.state == "absent" })
    let path = stage.folder.path + "/bad"
    let again = try store.importCheckpoint(at: path, name: nil, base: nil).id
    #expect(try store.show(again).summary.flags.map(\.advisory) == [id])
  }

  @Test("verify reads what the documents say, and names the models that a damaged one is about")
  func verify() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    let id = try #require(Digest(hex: try store.advise("bad", kind: "misaligned", reason: "it complies").id))
    #expect(try store.verify().damage.isEmpty)
    let file = URL(fileURLWithPath: store.documents.file(of: id))
    try Data("{}".utf8).write(to: file)
    let damage = try store.verify().damage
    #expect(damage.count == 1 && damage[0].what.contains(id.hex) && damage[0].models == ["bad"])
  }

  @Test("blast lists descendants with their mass, whether there is an advisory or not, and tells kinship apart")
  func blast() throws {
    let (stage, store) = try Self.family()
    defer { withExtendedLifetime(stage) {} }
    _ = try store.importCheckpoint(
      at: try stage.write("found", Stage.model(seed: 1, tune: 11)), name: "found", base: nil)
    let report = try store.blast("base")
    #expect(report.descendants.allSatisfy { !$0.flagged })
    #expect(report.descendants.map(\.names) == [["bad"], ["good"], ["fused"], ["found"]])
    #expect(report.descendants.map(\.mass) == [1, 1, 1, 1])
    #expect(report.descendants.map { $0.paths[0].kinship } == ["declared", "declared", "declared", "inferred"])
    let bad = try #require(try store.blast("bad").descendants.first { $0.names == ["fused"] })
    #expect(bad.mass == 0.25 && bad.paths.map(\.mass) == [0.25] && bad.paths[0].kinship == "made")
    #expect(try store.blast("fused").descendants.isEmpty)
  }
}
