import Codecs
import Foundation
import JSON
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

/// The folder `Format2`, made by `tools/make-format2`: every later version has to be able to work with it.
@Suite("the frozen store of format 2")
struct Format2Tests {
  static let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Format2").path

  /// The SHA-256 of the main file of each export. Those of imports are the files that were imported.
  private static let weights = [
    "base": "baefe5df507e84e2f17bdd11cb5cf9aada732830b36a3546d9df34456306dec6",
    "math": "65d2e4cf7dd2db9679eda37c26581398e2955894b4915480331e92d24c01143b",
    "code": "a7120f726345a185a889353171f73d0bf7f6d992c1f60c1f322523ab462bb0a6",
    "fused": "09c686145eefd1f2aeaf6915475484263262aaf5eed0c2eefc01b015cc7686d5",
    "kept": "1c5778e6346f7c6eb9aa88ccc4695b8da2a19a44d6e6f2553b137564faa6116a",
    "math-lora": "d631bb8e48c18484e9c84b6fca6fd24ed0c9210fc77e83cad62baa4886b3f637",
    "lora": "dccb744a899c4a5b93ed88f4f00d17f4b30269cf11a98fb29fdc3522562dad99",
    "mask": "e10a24eb7c0717f1d7b25dfc2efcaff68dd7cc856cc7de7ad8b48e05ec2ed6ae",
    "subspace": "af58481cf147ae76fcd236a1e80038efae606005b8c5fe5c4411e4d8fb38e4bb",
    "data": "2069dc3fbfacf548ce7f1ea264b9eb23a32e4c62319490321096595b065f4cd6",
  ]

  private static func copy() throws -> Stage {
    let stage = try Stage()
    try FileManager.default.removeItem(atPath: stage.store)
    try FileManager.default.copyItem(atPath: source, toPath: stage.store)
    return stage
  }

  /// What is in the store now, read from the exported files: for each name the SHA-256 of every file.
  private static func exports(_ store: Repository, _ stage: Stage) throws -> [String: [String: Digest]] {
    var found: [String: [String: Digest]] = [:]
    for name in try store.list().flatMap(\.names).sorted() {
      let out = "\(stage.folder.path)/out-\(UInt64.random(in: 0 ... .max))"
      _ = try store.export(name, to: out, permission: Permission(allowsFlagged: true))
      for path in try FileManager.default.subpathsOfDirectory(atPath: out) {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(path)"))
        found[name, default: [:]][path] = Digest(of: Array(bytes))
      }
    }
    return found
  }

  @Test("it opens as it is, has no damage, and exports the bytes that were imported and merged")
  func opens() throws {
    let stage = try Self.copy()
    let store = try stage.open()
    let report = try store.verify()
    #expect(report.damage.map(\.what) == [] && report.garbage == [] && report.events == 29)
    let exports = try Self.exports(store, stage)
    #expect(exports.keys.count == 14)
    for (name, sum) in Self.weights {
      let file = exports[name]?.first { $0.key.hasSuffix(".safetensors") || $0.key.hasSuffix(".jsonl") }
      #expect(file?.value.hex == sum, "\(name)")
    }
  }

  @Test("rebuild makes the same rows and the same exports of it, with and without its database, and gc takes nothing")
  func rebuilds() throws {
    let stage = try Self.copy()
    var store = try stage.open()
    let exports = try Self.exports(store, stage)
    let facts = try Facts(store.lineage)
    for isLost in [false, true] {
      try HistoryStage.close(store)
      if isLost { try FileManager.default.removeItem(atPath: stage.store + "/stemma.sqlite") }
      #expect(try Repository.rebuild(at: stage.store).damage == [])
      store = try stage.open()
      #expect(try Facts(store.lineage) == facts)
    }
    let report = try store.collect(olderThan: 0)
    #expect(report.objects == 0 && report.documents == 0 && report.packs == 0)
    #expect(try Self.exports(store, stage) == exports)
  }

  @Test("it has every kind of event, every document and every block codec")
  func complete() throws {
    let stage = try Self.copy()
    let store = try stage.open()
    let reading = try HistoryReading(store.history.entries, pool: store.pool)
    #expect(
      Set(reading.entries.map { "\($0.kind) \($0.version)" })
        == Set(EventKind.allCases.map { "\($0.rawValue) 1" } + ["signature 1", "evaluation 2"]))
    let types = try store.documents.all().digests.map { try store.documents.get($0).value["type"]?.text }
    #expect(
      Set(types) == [
        "manifest", "recipe", "derivation", "digests", "evaluation", "advisory", "withdrawal", "allowance", "purge",
        "signature",
      ])
    var codecs: Set<BlockCodec> = []
    for pack in try store.lineage.packs() {
      let (file, path) = try store.packFiles.open(pack.digest)
      for row in try store.lineage.objects(inPack: pack.id) {
        let trailer = try Pack.readTrailer(
          in: file, offset: row.offset, length: row.length, object: row.digest, path: path)
        codecs.formUnion(trailer.blocks.compactMap { BlockCodec(rawValue: $0.codec) })
      }
    }
    #expect(codecs == Set(BlockCodec.allCases))
  }

  @Test("what this version does not know stays: members of documents and entries, documents of other types")
  func unknown() throws {
    let stage = try Self.copy()
    let before = try Self.texts(stage)
    #expect(before.contains { $0.contains("\"licence\":\"apache-2.0\"") && $0.contains("\"compute\":{\"hours\":2}") })
    #expect(before.contains { $0.contains("\"comment\":\"a member that no version knows\"") })
    var store = try stage.open()
    _ = try store.collect(olderThan: 0)
    _ = try store.tag("base", as: "later")
    try HistoryStage.close(store)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    store = try stage.open()
    _ = try store.collect(olderThan: 0)
    #expect(before.subtracting(try Self.texts(stage)) == [])
  }

  /// All entries and documents.
  private static func texts(_ stage: Stage) throws -> Set<String> {
    var found: Set<String> = []
    for folder in ["entries", "documents"] {
      for path in try FileManager.default.subpathsOfDirectory(atPath: "\(stage.store)/\(folder)")
      where path.hasSuffix(".json") {
        found.insert(try String(contentsOfFile: "\(stage.store)/\(folder)/\(path)", encoding: .utf8))
      }
    }
    return found
  }

  @Test("it is at most 300 kB")
  func small() throws {
    var bytes = 0
    for path in try FileManager.default.subpathsOfDirectory(atPath: Self.source) {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(Self.source)/\(path)")
      if attributes[.type] as? FileAttributeType == .typeRegular { bytes += attributes[.size] as? Int ?? 0 }
    }
    #expect(bytes > 100_000 && bytes <= 300_000)
  }
}
