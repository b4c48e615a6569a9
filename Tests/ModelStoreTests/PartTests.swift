import Foundation
import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("parts of models")
struct PartTests {
  /// A store of `one`, of `two` as deltas on it, and of their virtual merge `fused`; each is exported to `whole/`.
  private static func prepared(rows: Int = 64) throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      let folder = try stage.write(name, Stage.model(seed: 1, tune: tune, rows: rows))
      _ = try store.importCheckpoint(at: folder, name: name, base: nil)
    }
    _ = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused")
    for name in ["two", "fused"] { _ = try store.export(name, to: "\(stage.folder.path)/whole/\(name)") }
    return stage
  }

  private func kind(_ body: () throws -> Void) -> RepositoryError.Kind? {
    do {
      try body()
      return nil
    } catch { return (error as? RepositoryError)?.kind }
  }

  @Test("tensors come out as a safetensors file, in the official order, each once")
  func tensors() throws {
    let stage = try Self.prepared()
    let all = Stage.model(seed: 1, tune: 5)
    try stage.write("expected", [all[0], all[2]])
    let out = stage.folder.path + "/part.safetensors"
    let names = [all[2].name, all[0].name, all[2].name]
    let report = try stage.open().exportTensors("two", tensors: names, to: out)
    #expect(report.files == 1 && report.path == out)
    #expect(
      FileManager.default.contentsEqual(atPath: out, andPath: stage.folder.path + "/expected/model.safetensors"))
  }

  @Test("any range of any file or tensor is what the whole has there, stored or fused, on any number of threads")
  func ranges() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    // The embedding has more than two blocks.
    let stage = try Self.prepared(rows: 20_000)
    for name in ["two", "fused"] {
      let store = try stage.open(threads: Int.random(in: 1...3, using: &dice))
      let whole = try Data(contentsOf: URL(fileURLWithPath: "\(stage.folder.path)/whole/\(name)/model.safetensors"))
      let embedding = try #require(try store.tensorsByName(of: store.resolve(name))["model.embed_tokens.weight"])
      let part = ModelPart.tensor(embedding.name)
      let file = ModelPart.file("model.safetensors")
      let tensor = try Self.read(store, name, part, 0, nil)
      #expect(tensor.count == embedding.bytes && whole.range(of: Data(tensor)) != nil)
      for round in 0..<40 {
        let (source, data) = round % 2 == 0 ? (file, Array(whole)) : (part, tensor)
        let start = Int.random(in: 0...data.count, using: &dice)
        let end = round % 5 == 0 ? data.count : Int.random(in: start...data.count, using: &dice)
        let found = try Self.read(store, name, source, start, round % 5 == 0 ? nil : end)
        #expect(found == Array(data[start..<end]), "seed \(seed), \(name), \(source), \(start):\(end)")
      }
      #expect(try Self.read(store, name, .file("config.json"), 2, 13) == Array("torch_dtype".utf8)[..<11].map { $0 })
    }
  }

  private static func read(
    _ store: Repository, _ model: String, _ part: ModelPart, _ start: Int, _ end: Int?
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try store.readRange(model, of: part, from: start, to: end) { bytes += $0 }
    return bytes
  }

  @Test("a small range of a large merge reads little, and one tensor reads that tensor's inputs")
  func frugal() throws {
    let stage = try Stage()
    let size = 40 << 20
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      let tile = Stage.weights(1 << 19, seed: 3, tune: tune)
      let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        for start in stride(from: 0, to: size, by: tile.count) {
          tile.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer)[start...].copyBytes(from: $0) }
        }
        count = size
      }
      let large = Stage.Content(name: "large", dtype: .bf16, shape: [size / 2], bytes: bytes)
      let small = Stage.Content(name: "small", dtype: .bf16, shape: [512], bytes: Array(tile[..<1024]))
      _ = try stage.open().importCheckpoint(at: try stage.write(name, [large, small]), name: name, base: nil)
    }
    _ = try stage.open().merge(recipe: averageRecipe, relativeTo: "/", name: "fused")
    let disk = ReadingDisk()
    let store = try stage.open(storage: disk)
    let report = try store.exportRange(
      "fused", of: .file("model.safetensors"), from: 20_000_000, to: 20_065_536, at: stage.folder.path + "/range")
    #expect(report.bytes == 65_536)
    #expect(disk.packBytes > 0 && disk.packBytes < 4_000_000, "\(disk.packBytes) bytes read")
    let before = disk.packBytes
    _ = try store.exportTensors("fused", tensors: ["small"], to: stage.folder.path + "/small")
    #expect(disk.packBytes - before < 100_000, "\(disk.packBytes - before) bytes read")
  }

  @Test("only the files that a glob matches are written")
  func files() throws {
    let stage = try Stage()
    let all = Stage.model(seed: 1)
    let store = try stage.open()
    let folder = try stage.write("one", shards: [[all[0]], [all[1], all[2]]])
    _ = try store.importCheckpoint(at: folder, name: "one", base: nil)
    let out = stage.folder.path + "/out"
    let report = try store.export("one", to: out, files: ["model-00002*", "*.index.json"])
    let names = try FileManager.default.contentsOfDirectory(atPath: out).sorted()
    #expect(names == ["model-00002-of-00002.safetensors", "model.safetensors.index.json"])
    #expect(report.files == 2)
    for name in names {
      #expect(FileManager.default.contentsEqual(atPath: "\(out)/\(name)", andPath: "\(folder)/\(name)"))
    }
    #expect(kind { _ = try store.export("one", to: out + "2", files: ["model-00002*", "x*"]) } == .notFound)
    #expect(!stage.holds("out2"))
  }

  @Test("what cannot be had is refused, and nothing is left behind")
  func refusals() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    let out = stage.folder.path + "/out"
    let tensor = ModelPart.tensor("model.norm.weight")
    let before = try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted()
    func range(_ start: Int, _ end: Int?, _ part: ModelPart) -> RepositoryError.Kind? {
      kind { _ = try store.exportRange("fused", of: part, from: start, to: end, at: out) }
    }
    #expect(range(0, 65, tensor) == .invalidInput)
    #expect(range(9, 8, tensor) == .invalidInput)
    #expect(range(65, nil, tensor) == .invalidInput)
    #expect(range(0, 1, .tensor("norm")) == .notFound)
    #expect(range(0, 1, .file("absent.txt")) == .notFound)
    #expect(kind { _ = try store.exportTensors("fused", tensors: ["norm"], to: out) } == .notFound)
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted() == before)
    #expect(range(64, 64, tensor) == nil)
    #expect(try Data(contentsOf: URL(fileURLWithPath: out)).isEmpty)
    #expect(range(0, 1, tensor) == .conflict)
    #expect(kind { _ = try store.exportTensors("fused", tensors: ["model.norm.weight"], to: out) } == .conflict)
  }

  @Test("a damaged block is corrupt for the ranges in it, and no partial file stays")
  func damage() throws {
    let stage = try Self.prepared()
    let store = try stage.open()
    let norm = try #require(try store.tensorsByName(of: store.resolve("one"))["model.norm.weight"])
    let row = try #require(try store.lineage.object(norm.digest))
    let path = store.layout.pack(row.packDigest.hex)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[row.offset + 9] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let before = try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted()
    let out = stage.folder.path + "/out"
    for _ in 0..<2 {
      #expect(
        kind { _ = try store.exportRange("fused", of: .tensor(norm.name), from: 0, to: 8, at: out) } == .corrupt)
      #expect(kind { _ = try store.exportTensors("one", tensors: [norm.name], to: out) } == .corrupt)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).sorted() == before)
    #expect(
      kind { _ = try store.exportRange("one", of: .tensor("model.layers.0.mlp.weight"), from: 0, to: 8, at: out) }
        == nil)
  }
}
