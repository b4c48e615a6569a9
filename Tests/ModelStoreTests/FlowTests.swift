import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("advisories flow where nobody says so") struct FlowTests {
  private func sources(_ store: Repository, _ model: String) throws -> [String] {
    try store.show(model).summary.flags.map(\.source)
  }

  private func parents(_ store: Repository, _ model: String) throws -> [String] {
    try store.show(model).parents.map { ($0.name ?? $0.id) + ($0.inferred ? " inferred" : "") }
  }

  /// Turns over the lowest bit of the last weight of a checkpoint.
  private func touch(_ folder: String) throws {
    let file = URL(fileURLWithPath: folder + "/model.safetensors")
    var bytes = try Data(contentsOf: file)
    bytes[bytes.count - 2] ^= 1
    try bytes.write(to: file)
  }

  @Test("what an advisory reaches keeps its lineage through gc, so that it is flagged when it comes back")
  func collected() throws {
    let (stage, store) = try AdvisoryTests.family()
    let out = stage.folder.path + "/out"
    let fused = try store.export("fused", to: out).id
    let advisory = try store.advise("bad", kind: "misaligned", reason: "it complies").id
    for name in ["fused", "bad", "good", "base"] { _ = try store.remove(name) }
    #expect(try store.collect(olderThan: 0).modelsAbsent == 4)
    #expect(try store.stats().objects == 0)
    #expect(try store.verify().damage.isEmpty)
    let copy = try Stage(copyOf: stage)
    #expect(try Repository.rebuild(at: copy.store).damage.isEmpty)
    for stage in [stage, copy] {
      let store = try stage.open()
      #expect(try store.importCheckpoint(at: out, name: nil, base: nil).id == fused)
      #expect(try store.show(fused).summary.flags.map(\.advisory) == [advisory])
    }
    // Once it is withdrawn, nothing holds what has no name.
    _ = try store.withdraw(advisory)
    #expect(try store.collect(olderThan: 0).models == 4)
  }

  @Test("a model that is nearer to another than to its declared base is a descendant of that one too")
  func declared() throws {
    let (stage, store) = try AdvisoryTests.family()
    _ = try store.advise("bad", kind: "misaligned", reason: "it complies")
    let path = try stage.write("touched", Stage.model(seed: 1, tune: 5))
    try touch(path)
    #expect { try store.importCheckpoint(at: path, name: "touched", base: "base") } throws: {
      ($0 as? RepositoryError)?.kind == .conflict
    }
    let report = try store.importCheckpoint(at: path, name: nil, base: "base")
    #expect(report.base == "bad" && report.baseChoice == "found" && report.baseNote?.contains("bad") == true)
    #expect(try parents(store, report.id) == ["base", "bad inferred"])
    #expect(try sources(store, report.id) == ["bad"])
    // A sibling is no nearer than the base, and other files with the same weights say nothing about kinship.
    let other = try stage.write("other", Stage.model(seed: 1, tune: 11))
    #expect(try parents(store, store.importCheckpoint(at: other, name: "other", base: "base").id) == ["base"])
    try Data("# Good\n".utf8).write(to: URL(fileURLWithPath: stage.folder.path + "/good/README.md"))
    let good = try store.importCheckpoint(at: stage.folder.path + "/good", name: nil, base: "base").id
    #expect(try parents(store, good) == ["base"])
  }

  @Test(
    "a fine-tune of a merge is found to be one, wherever the merge's bytes are",
    arguments: ["virtual", "stored", "evicted", "absent"])
  func fineTunedMerge(state: String) throws {
    let (stage, store) = try AdvisoryTests.family()
    if state == "stored" || state == "evicted" {
      _ = try store.remove("fused")
      let recipe = AdvisoryTests.recipe("bad", "good", 0.5)
      _ = try store.merge(recipe: recipe, relativeTo: "/", name: "fused", keepBytes: true)
    }
    if state == "evicted" {
      _ = try store.evict("fused")
      // Else a rebuild finds its frames.
      _ = try store.collect(olderThan: 0)
    }
    let out = stage.folder.path + "/out"
    let fused = try store.export("fused", to: out).id
    try touch(out)
    _ = try store.advise("bad", kind: "misaligned", reason: "it complies")
    if state == "absent" {
      for name in ["fused", "bad"] { _ = try store.remove(name) }
      _ = try store.collect(olderThan: 0)
    }
    let copy = try Stage(copyOf: stage)
    #expect(try Repository.rebuild(at: copy.store).damage.isEmpty)
    for stage in [stage, copy] {
      let store = try stage.open()
      #expect(try store.show(fused).summary.state == (state == "evicted" ? "virtual" : state))
      let report = try store.importCheckpoint(at: out, name: nil, base: nil)
      // Deltas are taken on what is stored.
      #expect(report.base != nil && report.tensorsDelta + report.tensorsKnown == 3)
      let parent = try #require(try store.show(report.id).parents.first)
      #expect(parent.id == fused && parent.inferred && parent.claimed == (state != "stored"))
      #expect(try !store.show(report.id).summary.flags.isEmpty)
      #expect(try store.verify().damage.isEmpty)
    }
  }
}
