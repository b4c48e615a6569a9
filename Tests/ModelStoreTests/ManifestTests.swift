import Foundation
import JSON
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("manifests") struct ManifestTests {
  private static let hex = String(repeating: "ab", count: 32)
  private static let tensor = #"["w","F32",[2],"\#(hex)"]"#

  private static func file(_ path: String, sha: Bool) -> String {
    let digest = sha ? #","sha256":"\#(hex)""# : ""
    return #"{"header":{"sha256":"\#(hex)","size":8},"path":"\#(path)"\#(digest),"size":24,"tensors":[\#(tensor)]}"#
  }

  private static func text(_ version: Int, _ files: [String], _ weights: String?) -> String {
    let tail = weights.map { #","weights":\#($0)"# } ?? ""
    return #"{"files":[\#(files.joined(separator: ","))],"type":"manifest","version":\#(version)\#(tail)}"#
  }

  private static func document(_ text: String) throws -> Document { Document(try JSONValue.parse(Array(text.utf8))) }

  @Test("one of version 1 keeps its bytes, its digests and its weights id of all files")
  func keepsOldForm() throws {
    let files = [Self.file("consolidated.safetensors", sha: true), Self.file("model.safetensors", sha: true)]
    let document = try Self.document(Self.text(1, files, nil))
    let manifest = try Manifest(document)
    #expect(manifest.document.bytes == document.bytes && manifest.document.digest == document.digest)
    #expect(manifest.weights == ["model.safetensors"] && manifest.tensors.count == 1)
    let line = "\"w\" F32 [2] \(Self.hex)\n"
    #expect(manifest.weightsID == Digest(of: Array((line + line).utf8)))
  }

  @Test("one of version 2 has no digest of whole safetensors files, and names the model's")
  func newForm() throws {
    let files = [Self.file("model.safetensors", sha: false), Self.file("x.safetensors", sha: false)]
    let document = try Self.document(Self.text(2, files, #"["model.safetensors"]"#))
    let manifest = try Manifest(document)
    #expect(manifest.document.bytes == document.bytes)
    #expect(manifest.weightsID == Digest(of: Array("\"w\" F32 [2] \(Self.hex)\n".utf8)))
    #expect(manifest.storedTensors.count == 2 && manifest.tensors.count == 1)
  }

  static let refused: [(text: String, reason: String)] = [
    (text(3, [], "[]"), "version 3"),
    (text(2, [file("a.safetensors", sha: true)], #"["a.safetensors"]"#), "with a sha256"),
    (text(1, [file("a.safetensors", sha: false)], nil), "without sha256"),
    (text(2, [file("a.safetensors", sha: false)], nil), "no weights"),
    (text(2, [file("a.safetensors", sha: false)], #"["b.safetensors"]"#), "weights"),
    (text(2, [file("a.safetensors", sha: false)], #"["a.safetensors","a.safetensors"]"#), "weights"),
    (text(2, [#"{"path":"config.json","size":1}"#], "[]"), "without sha256"),
    (text(2, [#"{"path":"config.json","sha256":"\#(hex)","size":1}"#], #"["config.json"]"#), "weights"),
  ]

  @Test("others are refused with the reason", arguments: refused.indices)
  func refuses(number: Int) throws {
    let document = try Self.document(Self.refused[number].text)
    let error = #expect(throws: ObjectsError.self) { try Manifest(document) }
    #expect(error.map { "\($0)".contains(Self.refused[number].reason) } == true, "\(error.map { "\($0)" } ?? "none")")
  }

  @Test("a merge and the import of its export are one model, and its files' digests are known from then on")
  func oneModel() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(at: stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
    }
    let fused = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused", keepBytes: false)
    let out = stage.folder.path + "/out"
    _ = try store.export("fused", to: out)
    let whole = Digest(of: try Array(Data(contentsOf: URL(fileURLWithPath: out + "/model.safetensors"))))
    func shown(_ withDigests: Bool, of model: String = "fused") throws -> String? {
      try store.show(model, withDigests: withDigests).files.first { $0.path == "model.safetensors" }?.sha256
    }
    #expect(try shown(false) == nil && shown(true) == whole.hex)
    #expect(try shown(false) == whole.hex && shown(true) == whole.hex)
    #expect(try store.lineage.fileDigests(of: store.resolve("fused")).count == 1)
    let again = try store.importCheckpoint(at: out, name: nil, base: nil)
    #expect(again.id == fused.id)
    #expect(try shown(false) == whole.hex)
    let one = try Data(contentsOf: URL(fileURLWithPath: stage.folder.path + "/one/model.safetensors"))
    #expect(try shown(false, of: "one") == Digest(of: Array(one)).hex)
    let folders = averageRecipe.replacing("model: ", with: "model: ./")
    let written = try Repository.merge(
      recipe: folders, relativeTo: stage.folder.path, to: stage.folder.path + "/written")
    #expect(try store.importCheckpoint(at: stage.folder.path + "/written", name: nil, base: nil).id == written.id)
  }

  /// Adds the model `one` again, as stores of version 1 describe it, under the name `old`; returns its id.
  private static func addOld(_ store: Repository) throws -> Digest {
    let model = try store.resolve("one")
    let manifest = try store.manifest(of: model)
    let digests = try store.fileDigests(of: model)
    let files = (manifest.document.value["files"]?.elements ?? []).map { file -> JSONValue in
      let digest = digests[file["path"]?.text ?? ""]
      let known = file["sha256"] == nil ? [JSONValue.Member("sha256", .init(digest?.hex))] : []
      return .object((file.members ?? []) + known)
    }
    let old = Document(["type": "manifest", "version": 1, "files": .array(files)])
    let derivation = Derivation(
      kind: "import", model: old.digest, madeAt: now(), madeBy: "test", tool: Repository.tool, parents: [])
    var event = Event(.import, madeBy: "test")
    event.document = derivation.document
    event.others = [old]
    try store.publish(event) { publication, place in
      try publication.insertModel(
        ModelRow(
          id: old.digest, weightsID: manifest.weightsID, state: .stored, tensors: 3, bytes: manifest.bytes,
          sequence: place.sequence, derivation: derivation.document.digest), sketch: nil)
      try publication.insertDerivation(derivation.row(derivation.document.digest, at: place))
    }
    _ = try store.tag(old.digest.hex, as: "old")
    return old.digest
  }

  @Test("a model of version 1 is rebuilt, exported and merged as it was")
  func oldModel() throws {
    let stage = try Stage()
    func prepared() throws -> Digest {
      let store = try stage.open()
      for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
        _ = try store.importCheckpoint(at: stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
      }
      return try Self.addOld(store)
    }
    let old = try prepared()
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    let store = try stage.open()
    #expect(try store.resolve("old") == old && store.resolve("one") != old)
    #expect(try store.show("old").weightsID == store.show("one").weightsID)
    #expect(try store.show("old").files.allSatisfy { $0.sha256 != nil })
    let out = stage.folder.path + "/out"
    _ = try store.export("old", to: out)
    #expect(try Stage.same(stage.folder.path + "/one", out))
    let recipe = averageRecipe.replacing("model: one", with: "model: old")
    let ids = try [recipe, averageRecipe].map { try store.merge(recipe: $0, relativeTo: "/", name: nil).id }
    let tensors = try ids.map { try store.show($0).tensors.map(\.sha256) }
    #expect(tensors[0] == tensors[1])
  }
}
