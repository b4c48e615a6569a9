import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("subspaces in the store")
struct SubspaceTests {
  /// A model whose change from `unaligned` has the rank `rank` in `wide` and `tall`, and all in the norm.
  private func stage(rank: Int = 3) throws -> (Stage, Repository) {
    let stage = try Stage()
    let store = try stage.open()
    func product(_ rows: Int, _ columns: Int, _ seed: UInt64) -> [Float] {
      let (left, right) = (Stage.numbers(rows * rank, seed: seed), Stage.numbers(rank * columns, seed: seed + 1))
      return (0..<rows * columns).map { index in
        (0..<rank).reduce(0) { $0 + left[index / columns * rank + $1] * right[$1 * columns + index % columns] }
      }
    }
    let shapes = [("same", [4, 4]), ("tall", [30, 12]), ("wide", [12, 30]), ("norm", [12])]
    let origins = shapes.map { Stage.numbers($0.1.reduce(1, *), seed: UInt64($0.0.utf8.count)) }
    func write(_ name: String, moving: Bool) throws {
      let tensors = zip(shapes, origins).map { shape, values -> Stage.Content in
        guard moving, shape.0 != "same" else { return Stage.content(shape.0, shape.1, values) }
        let change = shape.1.count == 2 ? product(shape.1[0], shape.1[1], 50) : Stage.numbers(12, seed: 8)
        return Stage.content(shape.0, shape.1, zip(values, change).map { $0 + $1 })
      }
      _ = try store.importCheckpoint(at: stage.write(name, tensors), name: name, base: nil)
    }
    try write("unaligned", moving: false)
    try write("aligned", moving: true)
    return (stage, store)
  }

  @Test("an alignment's change of low rank is found whole; what did not change and what is no matrix has no basis")
  func derive() throws {
    let (stage, store) = try stage()
    defer { withExtendedLifetime(stage) {} }
    let report = try store.deriveSubspace(aligned: "aligned", unaligned: "unaligned", size: .energy(0.9999), name: "s")
    #expect(report.lines.map(\.tensor) == ["tall", "wide"])
    for line in report.lines {
      #expect(line.rank == 3 && line.energy > 0.9999 && line.orthonormality < 1e-6, "\(line)")
    }
    #expect(report.parents.map(\.role) == ["aligned", "unaligned"])
    #expect(try store.show("s").summary.kind == "subspace")
    #expect(try store.show("s").method == "energy 0.9999, rank 3")
    let one = try store.deriveSubspace(aligned: "aligned", unaligned: "unaligned", size: .rank(1), name: "one")
    #expect(one.lines.allSatisfy { $0.rank == 1 && $0.energy < 0.99 })
    let overlap = try store.compareSubspaces("s", "one")
    #expect(overlap.lines.allSatisfy { abs($0.overlap - 1) < 1e-5 })
    #expect(overlap.lines.map(\.chance) == [0.1, 0.25])
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("it comes out as a folder that goes in again as the same, and is not taken for a model")
  func roundTrip() throws {
    let (stage, store) = try stage()
    let report = try store.deriveSubspace(aligned: "aligned", unaligned: "unaligned", size: .rank(2), name: "s")
    _ = try store.export("s", to: stage.folder.path + "/out")
    #expect(try stage.names(in: "out") == ["subspace.safetensors", "subspace_config.json"])
    #expect(try store.importSubspace(at: stage.folder.path + "/out", name: nil).id == report.id)
    #expect(try store.importCheckpoint(at: stage.folder.path + "/out", name: nil, base: nil).id == report.id)
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
    let recipe = "merge_method: linear\nmodels: [{model: aligned}, {model: s}]\nparameters: {weight: 1}\n"
    let error = #expect(throws: RepositoryError.self) {
      try store.merge(recipe: recipe, relativeTo: stage.folder.path, name: nil)
    }
    #expect(error?.message == "s: a model expected, found a subspace")
    let mask = #expect(throws: RepositoryError.self) { try store.showMask("s") }
    #expect(mask?.message == "s: a mask expected, found a subspace")
  }

  @Test("bases that are not orthonormal or not finite, models that differ in tensors or in nothing, are refused")
  func refusals() throws {
    let (stage, store) = try stage()
    _ = try store.deriveSubspace(aligned: "aligned", unaligned: "unaligned", size: .rank(2), name: "s")
    for (name, value) in [("long", Float(3)), ("nan", .nan)] {
      let path = "\(stage.folder.path)/\(name)"
      _ = try store.export("s", to: path)
      let file = path + "/subspace.safetensors"
      var data = try Data(contentsOf: URL(fileURLWithPath: file))
      data.replaceSubrange(data.count - 4..<data.count, with: withUnsafeBytes(of: value.bitPattern) { Data($0) })
      try data.write(to: URL(fileURLWithPath: file))
      let error = #expect(throws: RepositoryError.self) { try store.importSubspace(at: path, name: nil) }
      #expect(error?.kind == .invalidInput && error?.message.contains("tensor 'wide': expected") == true)
    }
    func message(_ aligned: String, _ size: SubspaceSize = .rank(1)) -> String {
      let error = #expect(throws: RepositoryError.self) {
        try store.deriveSubspace(aligned: aligned, unaligned: "unaligned", size: size, name: nil)
      }
      return error?.message ?? ""
    }
    #expect(message("unaligned").contains("matrices that differ expected, found none"))
    #expect(message("aligned", .energy(0)).contains("above 0") && message("aligned", .rank(0)).contains("above 0"))
    #expect(message("s") == "s: a model expected, found a subspace")
    _ = try store.importCheckpoint(
      at: stage.write("other", [Stage.content("tall", [2, 2], [1, 2, 3, 4])]), name: "other", base: nil)
    #expect(message("other").contains("'tall' [2, 2] in other and [30, 12] in unaligned"))
    #expect(message("other").contains("'wide' only in unaligned"))
  }
}
