import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("a store of many models")
struct ManyModelsTests {
  @Test("gc of 1,000 models takes those without a name, with what only they need")
  func collect() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, seed) in [("kept", UInt64(1)), ("lost", 50)] {
      _ = try store.importCheckpoint(at: try stage.write(name, Stage.model(seed: seed)), name: name, base: nil)
    }
    let objects = try store.stats().objects
    try Self.register(500, like: "kept", named: true, in: store)
    try Self.register(500, like: "lost", named: false, in: store)
    _ = try store.remove("lost")
    #expect(try store.list(all: true).count == 1002)

    let planned = try store.collect(dryRun: true, olderThan: 0)
    let done = try store.collect(olderThan: 0)
    for report in [planned, done] {
      // `lost` itself too; its header, and its configuration's text, are those of `kept`.
      #expect(report.models == 501 && report.objects == 3 && report.packs == 1)
      // Each has a manifest and a derivation.
      #expect(report.documents == 2 * 501)
    }
    #expect(try store.list().count == 501 && store.list(all: true).count == 501)
    #expect(try store.stats().objects == objects - 3)
    #expect(try store.verify().damage.isEmpty)
    #expect(try store.collect(olderThan: 0).models == 0)
    _ = try store.export("many/model-499", to: stage.folder.path + "/out")
    #expect(stage.holds("out/copy-499.json") && !stage.holds("out/config.json"))
  }

  /// Records copies of a model that differ by the name of a file, as an import would: importing so many takes minutes.
  private static func register(_ count: Int, like name: String, named: Bool, in store: Repository) throws {
    let model = try store.resolve(name)
    let row = try #require(try store.lineage.model(model))
    let manifest = try store.manifest(of: model)
    func write(_ document: Document, to path: String? = nil) throws {
      let file = URL(fileURLWithPath: path ?? store.documents.file(of: document.digest))
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(document.bytes).write(to: file)
    }
    try store.lineage.publish { publication in
      var heads = try publication.heads().map(\.place.entry)
      var last = try publication.lastSequence()
      for number in 0..<count {
        let files = manifest.files.map { file in
          file.path != "config.json"
            ? file
            : Manifest.File(path: "copy-\(number).json", size: file.size, digest: file.object)
        }
        let copy = Manifest(files: files, weights: manifest.weights).document
        let derivation = Derivation(
          kind: "import", model: copy.digest, madeAt: now(), madeBy: "test",
          tool: Repository.tool, parents: [])
        try write(copy)
        try write(derivation.document)
        last += 1
        let entry = Entry(
          kind: "import", store: store.history.store, sequence: last, heads: heads,
          document: derivation.document.digest, refers: [copy.digest],
          names: named ? [.init(name: "many/model-\(number)", model: copy.digest, replaces: [])] : [], madeAt: now(),
          madeBy: "test", tool: Repository.tool)
        heads = [entry.digest]
        try write(entry.file, to: store.history.entries.file(of: entry.name))
        try publication.insertEntry(entry)
        try publication.insertModel(
          ModelRow(
            id: copy.digest, weightsID: row.weightsID, state: .stored, tensors: row.tensors, bytes: row.bytes,
            sequence: entry.sequence, derivation: derivation.document.digest))
        try publication.insertDerivation(derivation.row(derivation.document.digest, at: EventPlace(entry)))
        try publication.recordNames(of: entry)
      }
      try store.history.putHeads(publication.heads().map(\.place.name))
    }
  }
}
