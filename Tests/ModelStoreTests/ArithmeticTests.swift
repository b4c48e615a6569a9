import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("arithmetics by name")
struct ArithmeticTests {
  @Test(
    "a merge in an arithmetic that is not there is unsupported, planned or run", arguments: ["exact-2", "exact-1 ", ""])
  func merging(_ name: String) throws {
    let stage = try CrashConsistencyTests.prepared()
    let store = try stage.open()
    let options = MergeOptions(arithmetic: name)
    let planned = #expect(throws: RepositoryError.self) {
      try store.plan(recipe: averageRecipe, relativeTo: stage.folder.path, options: options)
    }
    let merged = #expect(throws: RepositoryError.self) {
      try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused", options: options)
    }
    for error in [planned, merged] {
      #expect(error?.kind == .unsupported)
      #expect(error?.message == "unknown arithmetic '\(name)', expected exact-1 or mergekit-0.1.5")
      #expect(error?.hint != nil)
    }
    #expect(try store.list().count == 2)
  }

  @Test("a model whose derivation names an arithmetic of a later version is not computed in another")
  func rebuilding() throws {
    let stage = try CrashConsistencyTests.prepared()
    var id = ""
    do {
      let store = try stage.open()
      id = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused").id
      let model = try store.resolve("fused")
      let row = try #require(try store.lineage.derivations(of: model).first)
      let old = store.documents.file(of: row.digest)
      var derivation = try Derivation(try store.documents.get(row.digest))
      #expect(derivation.arithmetic == "exact-1")
      derivation.arithmetic = "exact-2"
      let file = URL(fileURLWithPath: store.documents.file(of: derivation.document.digest))
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(derivation.document.bytes).write(to: file)
      try FileManager.default.removeItem(atPath: old)
      // The event that recorded it, as if it had been made with that arithmetic.
      let head = try #require(try store.lineage.heads().first)
      let entry = try store.history.entries.get(head.place.name)
      try store.history.entries.withdraw(entry)
      try store.history.put(
        Entry(
          kind: entry.kind, store: entry.store, sequence: entry.sequence, heads: entry.heads,
          document: derivation.document.digest, refers: entry.refers, names: entry.names, madeAt: entry.madeAt,
          madeBy: entry.madeBy, tool: entry.tool))
    }
    _ = try Repository.rebuild(at: stage.store)
    let store = try stage.open()
    let refusals = [
      #expect(throws: RepositoryError.self) { try store.export("fused", to: stage.folder.path + "/out") },
      #expect(throws: RepositoryError.self) { try store.materialise("fused") },
      #expect(throws: RepositoryError.self) {
        try store.readRange("fused", of: .tensor("model.norm.weight"), from: 0, to: 8) { _ in }
      },
    ]
    for error in refusals {
      #expect(error?.kind == .unsupported)
      #expect(
        error?.message == "model \(try store.resolve("fused").short): arithmetic exact-1 or mergekit-0.1.5 expected, "
          + "exact-2 found")
      #expect(error?.hint?.contains("stemma version") == true)
    }
    #expect(try store.show("fused").summary.id == id)
    #expect(!stage.holds("out"))
  }
}

@Suite("frozen arithmetic of adapters")
struct FrozenAdapterTests {
  /// The id of the weights that `passthrough` makes in F32: what `exact-1` makes of an adapter's files,
  /// its scale included. These never change: other bits are `exact-2`.
  static let digests = [
    "bias_all": "88693569cf3ffb99bade2899e1dfd28982d5d78fc253c0fbf7dc2ec72e3a87b6",
    "bias_lora": "eab97c5ec5001a2f0161ee016e87c468fb02dba80222e94426be6eee5b9726dd",
    "conv": "0d5298a28c213efb1b518ee38c56991c9f62da336d85680bbf69eaade3662fae",
    "dora": "2fe4138665810940fb26cb178435d81c78fde8470854d8b678bbdafece20db67",
    "dora_conv": "ca454188e7e6533fac9642aeb3f26e551a2f037d4c1324fa4e03fb39574d905f",
    "embedding": "a7799c3b095ecea0bd419fce39e7e4830a7f4c0cd75d9db0d529c428b56f6066",
    "lora": "cab1b0568555f0e02d76a460b8ee7e60c94e94b0201a2977fd6a06506ad8b9f7",
    "lora_bias": "6123f8cee196482552230c91e068375a0eb9c6bdde5aef5ddbcaa8605410bcf0",
    "pattern": "0d8521f8fa641ba163e9c770221c8c83f119bb73493202c14561319c9ca30f92",
    "rslora": "253d585c79b872473d0362ed35877d13861fe67a1b78291823471491442206b4",
    "saved": "a36e9ef2d2d0ab59cbe5f7e11df5b59e22a605a0fff6234c434a24120c4da8b1",
  ]

  @Test("an adapter of every kind comes to the frozen bits on one thread and on two", arguments: PeftFolders.variants)
  func bits(_ variant: String) throws {
    for threads in [1, 2] {
      let stage = try Stage()
      try PeftFolders(stage).write(variant, as: "lora")
      let store = try stage.open(threads: threads)
      for name in ["base", "lora"] {
        _ = try store.importCheckpoint(
          at: "\(stage.folder.path)/\(name)", name: name, base: name == "base" ? nil : "base")
      }
      let recipe = "merge_method: passthrough\nmodels: [{model: base+lora}]\ndtype: float32\n"
      let report = try store.merge(recipe: recipe, relativeTo: stage.folder.path, name: nil)
      let found = try store.show(report.id).weightsID
      if Self.digests[variant] == nil, ProcessInfo.processInfo.environment["STEMMA_PRINT_FROZEN"] != nil {
        print("    \"\(variant)\": \"\(found)\",")
      }
      #expect(Self.digests[variant] == found, "STEMMA_PRINT_FROZEN=1 prints the lines of new kinds")
    }
  }
}
