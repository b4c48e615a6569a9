import Checkpoints
import Foundation
import JSON
import Objects
import Tensors
import TestSupport

@testable import ModelStore

/// Folders, small checkpoints and a store for one test.
final class Stage {
  let folder = TestFolder()

  init() throws { _ = try Repository.create(at: folder.path) }

  /// The same files in a new folder; nobody may have the other's store open.
  init(copyOf other: Stage) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: other.folder.path) {
      try FileManager.default.copyItem(atPath: "\(other.folder.path)/\(name)", toPath: "\(folder.path)/\(name)")
    }
  }

  var store: String { folder.path + "/.stemma" }

  func open(threads: Int = 2, storage: any Storage = LocalStorage()) throws -> Repository {
    try Repository(at: store, threads: threads, storage: storage)
  }

  func holds(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder.path)/\(name)") }

  /// A tensor of a checkpoint to be.
  struct Content {
    let name: String
    let dtype: DType
    let shape: [Int]
    let bytes: [UInt8]
  }

  /// Values near 0.02 in bf16; `tune` moves a third of them by four steps.
  static func weights(_ count: Int, seed: UInt64, tune: UInt64 = 0) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    var moves = tune &* 0xD134_2543_DE82_EF95 | 1
    var out: [UInt8] = []
    for _ in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      moves = moves &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      var bits = UInt16(0x3C00) &+ UInt16(state >> 54) | UInt16(state >> 63) << 15
      if tune != 0, moves >> 60 < 5 { bits &+= 4 }
      out += [UInt8(bits & 255), UInt8(bits >> 8)]
    }
    return out
  }

  /// A model of three matrices; `rows` resizes the embedding.
  static func model(seed: UInt64, tune: UInt64 = 0, rows: Int = 64) -> [Content] {
    [
      Content(
        name: "model.embed_tokens.weight", dtype: .bf16, shape: [rows, 32],
        bytes: weights(rows * 32, seed: seed, tune: tune)),
      Content(
        name: "model.layers.0.mlp.weight", dtype: .bf16, shape: [64, 64],
        bytes: weights(64 * 64, seed: seed + 1, tune: tune)),
      Content(
        name: "model.norm.weight", dtype: .bf16, shape: [32], bytes: weights(32, seed: seed + 2, tune: tune)),
    ]
  }

  /// Writes a checkpoint folder and returns its path.
  @discardableResult
  func write(_ name: String, _ tensors: [Content]) throws -> String { try write(name, shards: [tensors]) }

  /// Writes a checkpoint folder of one file, or of several with their index, and returns its path.
  @discardableResult
  func write(_ name: String, shards: [[Content]]) throws -> String {
    let path = "\(folder.path)/\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    func write(_ bytes: [UInt8], _ file: String) throws {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(file)"))
    }
    var map: [JSONValue.Member] = []
    for (number, tensors) in shards.enumerated() {
      let file = shards.count == 1 ? "model.safetensors" : "model-0000\(number + 1)-of-0000\(shards.count).safetensors"
      let header = try SafetensorsHeader.canonicalBytes(
        tensors: tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: Shape($0.shape)) },
        metadata: [("format", "pt")])
      try write(SafetensorsHeader.fileStart(header) + tensors.flatMap(\.bytes), file)
      map += tensors.map { .init($0.name, .string(file)) }
    }
    if shards.count > 1 {
      let index: JSONValue = ["metadata": ["total_size": 0], "weight_map": .object(map)]
      try write(Array(index.pretty().utf8), "model.safetensors.index.json")
    }
    try write(Array("{\"torch_dtype\": \"bfloat16\"}\n".utf8), "config.json")
    return path
  }

  /// True where both folders hold the same files with the same bytes.
  static func same(_ a: String, _ b: String) throws -> Bool {
    let files = try FileManager.default.subpathsOfDirectory(atPath: a).sorted()
    guard try files == FileManager.default.subpathsOfDirectory(atPath: b).sorted() else { return false }
    return files.allSatisfy { FileManager.default.contentsEqual(atPath: "\(a)/\($0)", andPath: "\(b)/\($0)") }
  }
}

let averageRecipe = """
  merge_method: linear
  models:
    - model: one
      parameters: {weight: 0.25}
    - model: two
      parameters: {weight: 0.75}
  dtype: bfloat16
  """
