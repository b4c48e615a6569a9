import Foundation
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("shapes of checkpoints")
struct CheckpointShapesTests {
  @Test("a mixture of experts of 30,000 small tensors and its fine-tune come back byte for byte")
  func experts() throws {
    let stage = try Stage()
    let store = try stage.open()
    let base = try store.importCheckpoint(
      at: try stage.write("base", Self.experts(tune: 0)), name: "base", base: nil)
    #expect(base.tensors == 30_009 && base.tensorsKnown == 0)
    let tune = try store.importCheckpoint(
      at: try stage.write("tune", Self.experts(tune: 3)), name: "tune", base: "base")
    // Every fourth expert was tuned; the matrices that are big enough for it are deltas.
    #expect(tune.tensorsKnown == 22_488 && tune.tensorsDelta == 9)
    // Three quarters of it are the base's own objects.
    _ = try store.export("tune", to: stage.folder.path + "/out")
    #expect(try Stage.same(stage.folder.path + "/tune", stage.folder.path + "/out"))
  }

  @Test("shards and their index come back byte for byte, and merge as one file does", arguments: [2, 3, 5])
  func shards(count: Int) throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      let path = try stage.write(name, shards: Self.spread(Self.layers(tune: tune), over: count))
      _ = try store.importCheckpoint(at: path, name: name, base: nil)
      _ = try store.export(name, to: "\(stage.folder.path)/out/\(name)")
      #expect(try Stage.same(path, "\(stage.folder.path)/out/\(name)"))
    }
    let fused = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    #expect(try store.show("two").summary.state == "stored" && fused.state == "virtual")

    let plain = try Stage()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try plain.open().importCheckpoint(
        at: try plain.write(name, Self.layers(tune: tune)), name: name, base: nil)
    }
    #expect(try plain.open().merge(recipe: averageRecipe, relativeTo: plain.folder.path, name: nil).id == fused.id)
  }

  @Test("tied and repeated tensors are stored once, within a model and across models, and come back byte for byte")
  func tied() throws {
    let stage = try Stage()
    let store = try stage.open()
    let one = try stage.write("one", shards: Self.tied(tune: 0))
    let first = try store.importCheckpoint(at: one, name: "one", base: nil)
    // Four tensors of two contents; two headers, the index and the configuration.
    #expect(first.tensors == 4)
    #expect(try store.stats().objects == 2 + 4)

    // The same tensors in one file: only its header is new.
    let again = try store.importCheckpoint(
      at: try stage.write("again", Self.tied(tune: 0).flatMap(\.self)), name: "again", base: nil)
    #expect(again.tensorsKnown == 4)
    #expect(try store.stats().objects == 2 + 4 + 1)

    let two = try stage.write("two", shards: Self.tied(tune: 5))
    _ = try store.importCheckpoint(at: two, name: "two", base: "one")
    #expect(try store.stats().objects == 2 + 4 + 1 + 2)
    #expect(try store.stats().deltaObjects == 2)
    for name in ["one", "again", "two"] {
      _ = try store.export(name, to: "\(stage.folder.path)/out/\(name)")
      #expect(try Stage.same("\(stage.folder.path)/\(name)", "\(stage.folder.path)/out/\(name)"))
    }
  }

  @Test("a merge of tied tensors has them tied; kept, they are stored once, and its bytes are those computed")
  func tiedMerge() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, shards: Self.tied(tune: tune)), name: name, base: nil)
    }
    let virtual = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    #expect(virtual.state == "virtual")
    _ = try store.export("fused", to: stage.folder.path + "/computed")
    let before = try store.stats().objects
    let kept = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused", keepBytes: true)
    #expect(kept.id == virtual.id)
    #expect(try store.show("fused").summary.state == "stored")
    #expect(Set(try store.show("fused").tensors.map(\.sha256)).count == 2)
    #expect(try store.stats().objects == before + 2)
    _ = try store.export("fused", to: stage.folder.path + "/kept")
    #expect(try Stage.same(stage.folder.path + "/computed", stage.folder.path + "/kept"))
  }

  /// Eight layers with a router each and 1,250 experts of three small tensors; a tune moves every fourth expert.
  private static func experts(tune: UInt64) -> [Stage.Content] {
    func matrix(_ name: String, _ shape: [Int], seed: UInt64, tune: UInt64) -> Stage.Content {
      let bytes = Stage.weights(shape.reduce(1, *), seed: seed, tune: tune)
      return .init(name: name, dtype: .bf16, shape: shape, bytes: bytes)
    }
    var tensors = [matrix("model.embed_tokens.weight", [64, 64], seed: 1, tune: tune)]
    for layer in 0..<8 {
      let place = "model.layers.\(layer).mlp"
      tensors.append(matrix("\(place).gate.weight", [64, 64], seed: UInt64(2 + layer), tune: tune))
      for expert in 0..<1250 {
        for (part, name) in ["gate", "up", "down"].enumerated() {
          let seed = UInt64(10 + (layer * 1250 + expert) * 3 + part)
          var moved = matrix("\(place).experts.\(expert).\(name)_proj.weight", [2, 4], seed: seed, tune: 0)
          if tune != 0, expert % 4 == 0 {
            // Its own number, so that no two tuned tensors are the same by chance.
            var bytes = moved.bytes
            bytes.replaceSubrange(0..<4, with: withUnsafeBytes(of: UInt32(seed).littleEndian) { Array($0) })
            moved = .init(name: moved.name, dtype: .bf16, shape: [2, 4], bytes: bytes)
          }
          tensors.append(moved)
        }
      }
    }
    return tensors
  }

  /// Seven matrices, of more than one block and of less.
  private static func layers(tune: UInt64) -> [Stage.Content] {
    (0..<7).map { layer in
      let rows = layer == 3 ? 5000 : 16 + layer
      return .init(
        name: "model.layers.\(layer).mlp.weight", dtype: .bf16, shape: [rows, 64],
        bytes: Stage.weights(rows * 64, seed: UInt64(layer + 1), tune: tune))
    }
  }

  /// The tensors dealt out to so many shards.
  private static func spread(_ tensors: [Stage.Content], over count: Int) -> [[Stage.Content]] {
    (0..<count).map { shard in tensors.indices.filter { $0 % count == shard }.map { tensors[$0] } }
  }

  /// Two shards: an output matrix tied to the embedding, and a layer repeated within its shard.
  private static func tied(tune: UInt64) -> [[Stage.Content]] {
    let tied = Stage.weights(96 * 64, seed: 1, tune: tune)
    let layer = Stage.weights(64 * 64, seed: 2, tune: tune)
    return [
      [
        .init(name: "model.embed_tokens.weight", dtype: .bf16, shape: [96, 64], bytes: tied),
        .init(name: "model.layers.0.mlp.weight", dtype: .bf16, shape: [64, 64], bytes: layer),
        .init(name: "model.layers.1.mlp.weight", dtype: .bf16, shape: [64, 64], bytes: layer),
      ],
      [.init(name: "lm_head.weight", dtype: .bf16, shape: [96, 64], bytes: tied)],
    ]
  }
}
