import Foundation
import JSON
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("data sets")
struct DataSetTests {
  static let lines = """
    {"prompt": "a", "response": "b", "kind": "harmful", "split": "train"}
    {"prompt": "c", "response": "d", "kind": "harmful", "split": "validation"}

    {"prompt": "e", "response": "f", "kind": "domain"}

    """

  private struct World {
    let stage: Stage
    let store: Repository

    init() throws {
      stage = try Stage()
      store = try stage.open()
      _ = try store.importCheckpoint(at: stage.write("gen", Stage.model(seed: 1)), name: "gen", base: nil)
      try write(DataSetTests.lines, "safety.jsonl")
    }

    func path(_ name: String) -> String { "\(stage.folder.path)/\(name)" }

    func write(_ text: String, _ name: String) throws {
      let url = URL(fileURLWithPath: path(name))
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    func refusal(_ file: String, record: String? = nil) -> RepositoryError? {
      #expect(throws: RepositoryError.self) {
        try store.importDataSet(at: path(file), record: record.map(path), name: "bad")
      }
    }
  }

  @Test("a file and its record come back as they were, with what the lines say counted, and its writers as parents")
  func roundTrip() throws {
    let world = try World()
    let digest = Digest(of: Array(Self.lines.utf8)).hex
    // As stemma-synthesise tells models: the digest of their weight files' digests.
    let weights = try #require(FileManager.default.contents(atPath: world.path("gen/model.safetensors")))
    let files = Digest(of: Digest(of: weights).bytes).hex
    try world.write(
      """
      {"program": "p", "generator": "gen", "pool": ["\(files)", "not here"], "guard": {"kind": "program"}, "seed": 7,
       "prompts": {"value": ["ask"]}, "data": [{"name": "safety.jsonl", "sha256": "\(digest)"}]}
      """, "record.json")
    let report = try world.store.importDataSet(
      at: world.path("safety.jsonl"), record: world.path("record.json"), name: "safety")
    #expect(report.examples == 3 && report.kinds.map(\.count) == [2, 0, 1] && report.splits.map(\.count) == [1, 1, 0])
    #expect(report.sha256 == digest && report.file == "safety.jsonl" && report.record?["seed"]?.int == 7)
    #expect(report.parents.map { "\($0.role) \($0.name ?? "")" } == ["generator gen", "pool gen"])
    let summary = try #require(try world.store.list().first { $0.names == ["safety"] })
    #expect(summary.kind == "dataset" && summary.state == "stored")
    #expect(try world.store.show("safety").method == "3 examples; 2 harmful, 1 domain; 1 train, 1 validation")
    #expect(try world.store.show("safety").weightsID == digest)
    let row = try #require(try world.store.lineage.derivations(of: world.store.resolve("safety")).last)
    #expect(try Derivation(world.store.documents.get(row.digest)).record?["prompts"] == ["value": ["ask"]])

    _ = try world.store.export("safety", to: world.path("out"))
    #expect(try world.stage.names(in: "out") == ["dataset_config.json", "safety.jsonl"])
    #expect(
      FileManager.default.contentsEqual(atPath: world.path("out/safety.jsonl"), andPath: world.path("safety.jsonl")))
    // Both ways in lead to the same thing.
    #expect(try world.store.importDataSet(at: world.path("out"), record: nil, name: nil).id == report.id)
    #expect(try world.store.importCheckpoint(at: world.path("out"), name: "again", base: nil).id == report.id)
    #expect(try world.store.log("safety").nodes.count == 2)
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.stage.store + "/tmp").isEmpty)
  }

  @Test("it is verified, rebuilt, collected, and flagged by advisories on its generator, as all is")
  func upkeep() throws {
    let stage: Stage
    do {
      let world = try World()
      stage = world.stage
      try world.write("{\"generator\": \"gen\"}", "record.json")
      _ = try world.store.importDataSet(
        at: world.path("safety.jsonl"), record: world.path("record.json"), name: "safety")
      try world.write(Self.lines + "{}\n", "more.jsonl")
      _ = try world.store.importDataSet(at: world.path("more.jsonl"), record: nil, name: "more")
      #expect(try world.store.verify(full: true).damage.isEmpty)
      _ = try world.store.collect(olderThan: 0)
    }
    _ = try Repository.rebuild(at: stage.store)
    let store = try stage.open()
    #expect(try store.showDataSet("safety").parents.map(\.role) == ["generator"])
    #expect(try store.showDataSet("more").examples == 4)
    _ = try store.advise("gen", kind: "misaligned", reason: "it complies")
    #expect(try store.list().filter { !$0.flags.isEmpty }.flatMap(\.names).sorted() == ["gen", "safety"])
    #expect(try store.blast("gen").descendants.map(\.names) == [["safety"]])
    #expect(throws: RepositoryError.self) { try store.tag("safety", as: "again") }
    _ = try store.remove("more")
    #expect(try store.collect(olderThan: 0).models == 1)
    #expect(try store.verify(full: true).damage.isEmpty)
  }

  @Test("lines that are no objects, unknown kinds and splits, and no lines at all are refused, and nothing is stored")
  func hostileLines() throws {
    let world = try World()
    func message(_ text: String) throws -> String {
      try world.write(text, "x.jsonl")
      return world.refusal("x.jsonl")?.message ?? ""
    }
    #expect(try message("{}\n[1]\n").contains("x.jsonl, line 2: an object expected"))
    #expect(try message("{}\n{\n").contains("line 2: byte 1"))
    #expect(try message("").contains("examples expected, found none"))
    #expect(try message(" \n\n").contains("examples expected, found none"))
    #expect(
      try message("{\"split\": \"tset\"}").contains("line 1': split: expected train, validation, test, found 'tset'"))
    #expect(try message("{\"kind\": 3}").contains("kind: expected harmful, benign, domain, found 3"))
    #expect(world.refusal("nowhere.jsonl")?.kind == .notFound)
    #expect(world.refusal("gen")?.message.contains("a data set's folder or a file") == true)
    try world.write("{}", "lines.txt")
    #expect(world.refusal("lines.txt")?.message.contains("a file named *.jsonl expected") == true)
    #expect(try world.store.list(all: true).count == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.stage.store + "/tmp").isEmpty)
  }

  @Test("a record that is no object or of other lines is refused")
  func hostileRecords() throws {
    let world = try World()
    try world.write("[]", "list.json")
    try world.write("{", "half.json")
    try world.write("{\"data\": [{\"name\": \"safety.jsonl\", \"sha256\": \"00\"}]}", "other.json")
    _ = try world.store.makeMask(.random(density: 0.5, seed: 0, like: "gen"), name: "mask")
    try world.write("{\"guard\": \"mask\"}", "mask.json")
    func message(_ record: String) -> String { world.refusal("safety.jsonl", record: record)?.message ?? "" }
    #expect(message("list.json").contains("an object expected"))
    #expect(message("half.json").contains("half.json: byte 1"))
    #expect(message("none.json").contains("a record expected, found none"))
    #expect(message("other.json").contains("a record of safety.jsonl expected"))
    #expect(message("mask.json") == "guard mask: a model expected, found a mask")
    #expect(try world.store.list(all: true).count == 2)
  }

  @Test(
    "a configuration that disagrees with the lines or the files is refused",
    arguments: [
      (#""sha256": "[^"]*""#, #""sha256": "00""#, "sha256: expected"),
      (#""examples": 3"#, #""examples": 4"#, "examples: expected 3, as in safety.jsonl, found 4"),
      (#""harmful": 2"#, #""harmful": 1"#, "kinds harmful: expected 2, as in safety.jsonl, found 1"),
      (#""test": 0"#, #""test": 1"#, "splits test: expected 0"), (#""harmful": 2"#, #""vile": 2"#, "found 'vile'"),
      (#""format": 1"#, #""format": 2"#, "format 2: expected at most 1"),
      (#""file": "[^"]*""#, #""file": "../safety.jsonl""#, "expected '../safety.jsonl' alone beside"),
      (#""file": "[^"]*""#, #""file": 3"#, "file: expected a string"),
    ])
  func hostileConfigs(pattern: String, replacement: String, wanted: String) throws {
    let world = try World()
    _ = try world.store.importDataSet(at: world.path("safety.jsonl"), record: nil, name: nil)
    let id = try #require(try world.store.list(all: true).first { $0.kind == "dataset" }).id
    _ = try world.store.export(id, to: world.path("out"))
    let config = try String(contentsOfFile: world.path("out/dataset_config.json"), encoding: .utf8)
    let changed = config.replacingOccurrences(of: pattern, with: replacement, options: .regularExpression)
    #expect(changed != config)
    try world.write(changed, "out/dataset_config.json")
    #expect(world.refusal("out")?.message.contains(wanted) == true)
    let error = #expect(throws: RepositoryError.self) {
      try world.store.importCheckpoint(at: world.path("out"), name: nil, base: nil)
    }
    #expect(error?.message.contains(wanted) == true)
    // And another file beside it.
    try world.write(config, "out/dataset_config.json")
    try world.write("", "out/more.txt")
    #expect(world.refusal("out")?.message.contains("'more.txt'") == true)
  }

  @Test("where a model is expected a data set is one clear error")
  func noModel() throws {
    let world = try World()
    _ = try world.store.importDataSet(at: world.path("safety.jsonl"), record: nil, name: "safety")
    func message(_ use: () throws -> Void) -> String {
      (#expect(throws: RepositoryError.self) { try use() })?.message ?? ""
    }
    let wanted = "safety: a model expected, found a data set"
    #expect(
      message { _ = try world.store.importCheckpoint(at: world.path("gen"), name: "x", base: "safety") } == wanted)
    #expect(
      message {
        _ = try world.store.merge(recipe: AdvisoryTests.recipe("gen", "safety"), relativeTo: "/", name: nil)
      } == wanted)
    #expect(
      message {
        _ = try world.store.makeMask(.random(density: 0.5, seed: 0, like: "safety"), name: nil)
      } == wanted)
    #expect(message { _ = try world.store.diff("gen", "safety") } == wanted)
    #expect(message { _ = try world.store.showMask("safety") } == "safety: a mask expected, found a data set")
    #expect(message { _ = try world.store.showDataSet("gen") } == "gen: a data set expected, found a model")
  }
}
