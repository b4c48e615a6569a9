import Foundation
import TestSupport
import Tensors
import Testing

@testable import ModelStore

@Suite("what comes out is what went in")
struct RoundTripTests {
  @Test("every dtype, empty and 0-d tensors, and equal tensors come back byte for byte")
  func everyDType() throws {
    let stage = try Stage()
    var tensors: [Stage.Content] = []
    for (index, dtype) in DType.allCases.enumerated() {
      let count = 24 * dtype.bits / 8
      tensors.append(
        .init(
          name: "t.\(dtype.rawValue)", dtype: dtype, shape: [4, 6],
          bytes: (0..<count).map { UInt8(($0 * 7 + index) & 255) }))
    }
    tensors.append(.init(name: "empty", dtype: .f32, shape: [0, 3], bytes: []))
    tensors.append(.init(name: "scalar", dtype: .f32, shape: [], bytes: [0, 0, 128, 63]))
    tensors.append(.init(name: "twin", dtype: .f32, shape: [], bytes: [0, 0, 128, 63]))
    let source = try stage.write("all", tensors)
    let store = try stage.open()
    _ = try store.importCheckpoint(at: source, name: "all", base: nil)
    _ = try store.export("all", to: stage.folder.path + "/out")
    #expect(try Stage.same(source, stage.folder.path + "/out"))
  }

  @Test("a fine-tune is stored as deltas, with a resized embedding too, and comes back")
  func deltas() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(
      at: try stage.write("one", Stage.model(seed: 1)), name: "one", base: nil)
    let source = try stage.write("two", Stage.model(seed: 1, tune: 9, rows: 80))
    let report = try store.importCheckpoint(at: source, name: "two", base: "one")
    #expect(report.baseChoice == "declared")
    #expect(report.tensorsDelta == 3)
    _ = try store.export("two", to: stage.folder.path + "/out")
    #expect(try Stage.same(source, stage.folder.path + "/out"))
  }

  @Test("an undeclared base is found by its weights, a stranger is not used")
  func baseChoice() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("one", Stage.model(seed: 1)), name: "one", base: nil)
    let near = try store.importCheckpoint(
      at: try stage.write("two", Stage.model(seed: 1, tune: 3)), name: "two", base: nil)
    #expect(near.baseChoice == "found" && near.base == "one")
    let far = try store.importCheckpoint(
      at: try stage.write("far", Stage.model(seed: 77)), name: "far", base: "one")
    #expect(far.baseChoice == "none" && far.baseNote?.contains("claim") == true)
    #expect(try store.log("far").nodes[0].derivations[0].parents[0].claimed)
  }

  @Test("a merge has the same id with 1, 2 and 8 threads, and exports to that id's bytes")
  func threads() throws {
    var ids: Set<String> = []
    for threads in [1, 2, 8] {
      let stage = try Stage()
      let store = try stage.open(threads: threads)
      for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
        _ = try store.importCheckpoint(
          at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
      }
      let merged = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
      ids.insert(merged.id)
      #expect(merged.bytesAdded < 300 * 3 + 8000)
      let out = stage.folder.path + "/out"
      _ = try store.export("fused", to: out)
      #expect(try store.importCheckpoint(at: out, name: nil, base: nil).id == merged.id)
    }
    #expect(ids.count == 1)
  }

  @Test("a database that is gone is made again with the same answers, names included")
  func rebuild() throws {
    let stage = try Stage()
    func answers() throws -> [String] {
      let store = try stage.open()
      return try store.list(all: true).map { "\($0.json)" } + store.nameHistory("one").map { "\($0.json)" }
        + [try "\(store.log("fused").json)", try "\(store.show("two").json)"]
    }
    do {
      let store = try stage.open()
      for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
        _ = try store.importCheckpoint(
          at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
      }
      _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
      _ = try store.tag("two", as: "two:v1")
      try store.untag("two:v1")
    }
    let before = try answers()
    for suffix in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: stage.store + "/stemma.sqlite" + suffix)
    }
    let report = try Repository.rebuild(at: stage.store)
    #expect(report.damage.isEmpty)
    for (after, before) in zip(try answers(), before) { #expect(after == before) }
    #expect(try stage.open().verify().damage.isEmpty)
  }

  @Test("gc keeps inputs of virtual models and bases of deltas, and takes the rest")
  func collect() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, seed, tune) in [("one", UInt64(1), UInt64(0)), ("two", 1, 5), ("odd", 50, 0)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: seed, tune: tune)), name: name, base: nil)
    }
    _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    for name in ["one", "two", "odd"] { _ = try store.remove(name) }
    let report = try store.collect(olderThan: 0)
    #expect(report.models == 1 && report.packs == 1)
    _ = try store.export("fused", to: stage.folder.path + "/out")
    #expect(try store.verify().damage.isEmpty)
    _ = try store.remove("fused")
    #expect(try store.collect(olderThan: 0).models == 3)
    #expect(try store.stats().objects == 0)
  }
}
