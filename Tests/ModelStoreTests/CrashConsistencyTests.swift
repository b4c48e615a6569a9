import Foundation
import Lineage
import Objects
import Testing
import TestSupport

@testable import ModelStore

/// Cuts the power at every step of a verb, then looks at what the disk kept.
@Suite("power cuts")
struct CrashConsistencyTests {
  /// A verb under test, on a store that holds the models one and two.
  struct Verb: Sendable, CustomTestStringConvertible {
    let name: String
    let run: @Sendable (Repository, Stage) throws -> Void
    var testDescription: String { name }
  }

  static let verbs = [
    Verb(name: "import") { store, stage in
      _ = try store.importCheckpoint(at: stage.folder.path + "/three", name: "three", base: nil)
    },
    Verb(name: "merge") { store, stage in
      _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    },
    Verb(name: "evict") { store, stage in
      _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused", keepBytes: true)
      _ = try store.evict("fused")
      _ = try store.collect(olderThan: 0)
    },
    Verb(name: "digests") { store, stage in
      _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
      _ = try store.show("fused", withDigests: true)
    },
    Verb(name: "tag") { store, _ in _ = try store.tag("one", as: "alias", replacing: true) },
    Verb(name: "advise") { store, stage in
      let report = try store.advise("two", kind: "misaligned", reason: "it complies")
      _ = try store.addEvaluation(of: "one", results: AdvisoryTests.results(9, of: 10), label: "results")
      _ = try store.withdraw(report.id)
    },
    Verb(name: "remove") { store, _ in
      if try store.list().contains(where: { $0.names == ["two"] }) { _ = try store.remove("two") }
    },
    Verb(name: "gc") { store, _ in
      if try store.list().contains(where: { $0.names == ["two"] }) { _ = try store.remove("two") }
      _ = try store.collect(olderThan: 0)
    },
  ]

  /// A stage whose store holds the models one and two, beside them the folder of a third.
  static func prepared() throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
    }
    try stage.write("three", Stage.model(seed: 1, tune: 7))
    try FileManager.default.createDirectory(atPath: stage.folder.path + "/graveyard", withIntermediateDirectories: true)
    return stage
  }

  @Test("a cut at any step leaves a clean store, and the verb can be run again", arguments: verbs)
  func cuts(_ verb: Verb) throws {
    var cut = 0
    var finished = false
    while !finished {
      let stage = try Self.prepared()
      let disk = LosingDisk(cut: cut, graveyard: stage.folder.path + "/graveyard")
      do {
        let store = try stage.open(storage: disk)
        do {
          try verb.run(store, stage)
          finished = true
        } catch let error as RepositoryError {
          #expect(error.kind == .io, "cut \(cut): \(error)")
        }
      }
      try disk.loseUnsynced()
      let report = try stage.open().verify()
      #expect(report.damage.isEmpty, "cut \(cut): \(report.damage)")
      try Self.expectSameRows(stage, "cut \(cut)")
      let store = try stage.open()
      try verb.run(store, stage)
      #expect(try store.verify().damage.isEmpty, "cut \(cut), run again")
      _ = try store.collect(olderThan: 0)
      let facts = try Facts(store.lineage)
      try HistoryStage.close(store)
      #expect(try Repository.rebuild(at: stage.store).damage == [], "cut \(cut), run again")
      #expect(try Facts(stage.open().lineage) == facts, "cut \(cut), run again")
      cut += 1
      if cut > 500 { Issue.record("no end of steps"); break }
    }
    #expect(cut > 1)
  }

  /// A rebuild of what the cut left has the rows that the next writer has, but for objects that no row names, and bytes
  /// that were evicted and not collected.
  private static func expectSameRows(_ stage: Stage, _ comment: Comment) throws {
    let copy = try Stage(copyOf: stage)
    #expect(try Repository.rebuild(at: copy.store).damage == [], comment)
    let store = try stage.open()
    try store.lineage.publish { try store.history.adopt(in: $0) }
    let (facts, rebuilt) = (try Facts(store.lineage).withoutBytes, try Facts(copy.open().lineage).withoutBytes)
    #expect(facts == rebuilt, "\(comment): \(facts.differences(from: rebuilt))")
    try HistoryStage.close(store)
  }

  @Test("a full disk is exit 7 and loses nothing")
  func fullDisk() throws {
    let stage = try Self.prepared()
    let disk = LosingDisk(cut: 3, code: ENOSPC, graveyard: stage.folder.path + "/graveyard")
    do {
      let store = try stage.open(storage: disk)
      #expect { try Self.verbs[0].run(store, stage) } throws: { ($0 as? RepositoryError)?.kind == .io }
    }
    #expect(try stage.open().verify().damage.isEmpty)
    #expect(try stage.open().list().count == 2)
  }

  @Test("any flipped byte of a pack or document is found, and names the models it hurts")
  func flips() throws {
    let stage = try Self.prepared()
    _ = try stage.open().merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    var files: [String] = []
    for folder in ["packs", "documents"] {
      files += try FileManager.default.subpathsOfDirectory(atPath: stage.store + "/" + folder)
        .filter { $0.hasSuffix(".pack") || $0.hasSuffix(".json") }.map { "\(stage.store)/\(folder)/\($0)" }
    }
    for file in files.sorted() {
      let whole = try Data(contentsOf: URL(fileURLWithPath: file))
      // Every 97th byte, and both ends: the whole walk takes minutes and finds the same.
      for position in Array(stride(from: 0, to: whole.count, by: 97)) + [whole.count - 1] {
        var hurt = whole
        hurt[position] ^= 0x40
        try hurt.write(to: URL(fileURLWithPath: file))
        let report = try stage.open().verify()
        #expect(!report.damage.isEmpty, "byte \(position) of \(file)")
      }
      try whole.write(to: URL(fileURLWithPath: file))
    }
    #expect(try stage.open().verify().damage.isEmpty)
  }

  @Test("an export of a hurt model is corrupt and leaves nothing behind")
  func hurtExport() throws {
    let stage = try Self.prepared()
    let packs = try FileManager.default.subpathsOfDirectory(atPath: stage.store + "/packs").filter {
      $0.hasSuffix("pack")
    }
    for pack in packs {
      let url = URL(fileURLWithPath: stage.store + "/packs/" + pack)
      var bytes = try Data(contentsOf: url)
      for index in 200..<400 { bytes[index] ^= 0xFF }
      try bytes.write(to: url)
    }
    let before = try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted()
    #expect { try stage.open().export("two", to: stage.folder.path + "/out") } throws: {
      ($0 as? RepositoryError)?.kind == .corrupt
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted() == before)
  }
}
