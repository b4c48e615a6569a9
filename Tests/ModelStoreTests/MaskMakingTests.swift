import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("masks that are made of models and of masks")
struct MaskMakingTests {
  /// A store with the masks `a` and `b` of the same two tensors.
  private func stage() throws -> (stage: Stage, store: Repository, a: [Bool], b: [Bool]) {
    let stage = try Stage()
    let store = try stage.open()
    let (a, b) = (Stage.bits(1003, density: 0.4, seed: 1), Stage.bits(1003, density: 0.7, seed: 2))
    for (name, bits) in [("a", a), ("b", b)] {
      let path = try stage.write(
        file: "\(name).safetensors",
        [Stage.content("w", [17, 59], bits), Stage.content("v", [8], [Bool](repeating: name == "a", count: 8))])
      _ = try store.importMask(at: path, space: nil, reading: nil, name: name)
    }
    return (stage, store, a, b)
  }

  @Test("combinations are those of single bits, name what they were made of, and say so")
  func combinations() throws {
    let (stage, store, a, b) = try stage()
    defer { withExtendedLifetime(stage) {} }
    let plain: [MaskCombination: (Bool, Bool) -> Bool] = [
      .and: { $0 && $1 }, .or: { $0 || $1 }, .xor: { $0 != $1 }, .minus: { $0 && !$1 },
    ]
    for (operation, one) in plain {
      let report = try store.makeMask(.combination(operation, ["a", "b"]), name: operation.rawValue)
      #expect(try store.bits(of: operation.rawValue, "w", 1003) == zip(a, b).map(one), "\(operation)")
      #expect(report.rule == "combination: \(operation.rawValue)" && report.parents.map(\.name) == ["a", "b"])
    }
    _ = try store.makeMask(.combination(.not, ["a"]), name: "not")
    #expect(try store.bits(of: "not", "w", 1003) == a.map { !$0 })
    // a and b are three masks' worth of laws: (a ∧ b) ∨ (a ∧ ¬b) = a.
    _ = try store.makeMask(.combination(.or, ["and", "minus"]), name: "whole")
    #expect(try store.bits(of: "whole", "w", 1003) == a)
    let three = try store.makeMask(.combination(.xor, ["a", "b", "xor"]), name: nil)
    #expect(three.ones == 0 && three.density == 0)
    for (operation, masks) in [(MaskCombination.and, ["a"]), (.not, ["a", "b"]), (.minus, ["a", "b", "a"])] {
      let error = #expect(throws: RepositoryError.self) {
        try store.makeMask(.combination(operation, masks), name: nil)
      }
      #expect(error?.message.contains("found \(masks.count)") == true)
    }
  }

  @Test("overlap counts both and each alone by tensor and in all, beside what chance would make")
  func overlap() throws {
    let (stage, store, a, b) = try stage()
    defer { withExtendedLifetime(stage) {} }
    let overlap = try store.compareMasks("a", "b")
    let both = zip(a, b).count { $0 && $1 }
    let w = try #require(overlap.lines.first { $0.tensor == "w" })
    #expect(w.both == both && w.onlyA == a.count { $0 } - both && w.onlyB == b.count { $0 } - both)
    #expect(abs(w.jaccard - Double(both) / Double(zip(a, b).count { $0 || $1 })) < 1e-12)
    #expect(abs(w.expectedBoth - Double(a.count { $0 } * b.count { $0 }) / 1003) < 1e-9)
    #expect(abs(w.jaccard - w.expectedJaccard) < 0.05)
    #expect(overlap.all.both == both && overlap.all.onlyA == w.onlyA + 8 && overlap.all.elements == 1011)
    #expect(try store.compareMasks("a", "a").all.jaccard == 1)
  }

  @Test("masks of other tensors, shapes or spaces do not mix, and the error names the tensors")
  func misfits() throws {
    let (stage, store, a, _) = try stage()
    func refusal(_ name: String, _ tensors: [Stage.Content], space: String? = nil) throws -> String {
      let path = try stage.write(file: "\(name).safetensors", tensors)
      _ = try store.importMask(at: path, space: space, reading: nil, name: name)
      let error = #expect(throws: RepositoryError.self) { try store.compareMasks("a", name) }
      #expect(throws: RepositoryError.self) { try store.makeMask(.combination(.and, ["a", name]), name: nil) }
      return error?.message ?? ""
    }
    let eight = [Bool](repeating: true, count: 8)
    let shape = try refusal("shape", [Stage.content("w", [59, 17], a), Stage.content("v", [8], eight)])
    #expect(shape.contains("found 'w' [17, 59] in a and [59, 17] in shape"))
    let names = try refusal("names", [Stage.content("w", [17, 59], a), Stage.content("u", [8], eight)])
    #expect(names.contains("found 'u' only in names, 'v' only in a"))
    let space = try refusal(
      "space", [Stage.content("w", [17, 59], a), Stage.content("v", [8], eight)], space: "lora_factor")
    #expect(space == "space: a mask in the space weight of a expected, found lora_factor")
  }

  @Test("random masks have the density asked for, or that of each tensor of another mask, by seed and not by threads")
  func random() throws {
    let (stage, store, a, _) = try stage()
    _ = try store.importCheckpoint(at: stage.write("base", Stage.model(seed: 1)), name: "base", base: nil)
    let report = try store.makeMask(.random(density: 0.25, seed: 3, like: "base"), name: "r")
    #expect(report.elements == 64 * 32 + 64 * 64 + 32 && report.space == "weight")
    #expect(abs(report.density - 0.25) < 4 * (0.25 * 0.75 / Double(report.elements)).squareRoot())
    #expect(try store.makeMask(.random(density: 0.25, seed: 3, like: "base"), name: nil).id == report.id)
    #expect(try store.makeMask(.random(density: 0.25, seed: 4, like: "base"), name: nil).id != report.id)
    let control = try store.makeMask(.random(density: nil, seed: 1, like: "a"), name: "control")
    let densities = control.lines.map { Double($0.ones) / Double($0.elements) }
    #expect(densities[0] == 1 && abs(densities[1] - Double(a.count { $0 }) / 1003) < 0.07)
    #expect(try abs(store.compareMasks("a", "control").lines[1].jaccard - 0.25) < 0.08)
    for density in [0.0, 1] {
      #expect(try store.makeMask(.random(density: density, seed: 1, like: "base"), name: nil).density == density)
    }
    #expect(throws: RepositoryError.self) {
      try store.makeMask(.random(density: nil, seed: 1, like: "base"), name: nil)
    }
    #expect(throws: RepositoryError.self) { try store.makeMask(.random(density: 2, seed: 1, like: "base"), name: nil) }
  }

  @Test("the largest changes are those that sorting finds, of equal ones the first, in tensors of more than one run")
  func magnitude() throws {
    let stage = try Stage()
    let store = try stage.open()
    let count = MaskDraft.run + 1001
    // Few distinct changes, so that the cut falls among equal ones.
    let aligned = [Float](repeating: 1, count: count)
    var random = SplitMix(state: 5)
    let changes = (0..<count).map { _ in Float(Int.random(in: -3...3, using: &random)) / 8 }
    let tuned = zip(aligned, changes).map { $0 + $1 }
    _ = try store.importCheckpoint(
      at: stage.write("aligned", [Stage.content("w", [count], aligned)]), name: "x", base: nil)
    _ = try store.importCheckpoint(at: stage.write("tuned", [Stage.content("w", [count], tuned)]), name: "y", base: nil)
    for share in [0, 0.1, 0.5, 0.9, 1] {
      let report = try store.makeMask(.magnitude(share: share, of: "y", against: "x"), name: "m\(Int(share * 10))")
      let keep = Int((share * Double(count)).rounded())
      let kept = Set(
        changes.indices.sorted { (abs(changes[$1]), $0) < (abs(changes[$0]), $1) }.prefix(keep))
      #expect(report.ones == keep)
      #expect(try store.bits(of: "m\(Int(share * 10))", "w", count) == changes.indices.map(kept.contains), "\(share)")
      #expect(report.parents.map(\.role) == ["tuned", "aligned"])
    }
    _ = try store.importCheckpoint(
      at: stage.write("odd", [Stage.content("w", [count], [.infinity] + tuned.dropFirst())]), name: "z", base: nil)
    let error = #expect(throws: RepositoryError.self) {
      try store.makeMask(.magnitude(share: 0.1, of: "z", against: "x"), name: nil)
    }
    #expect(error?.message.contains("tensor w: finite numbers expected") == true)
    _ = try store.importCheckpoint(at: stage.write("other", [Stage.content("u", [1], [1])]), name: "u", base: nil)
    let misfit = #expect(throws: RepositoryError.self) {
      try store.makeMask(.magnitude(share: 0.1, of: "u", against: "x"), name: nil)
    }
    #expect(misfit?.message.contains("'u' only in u, 'w' only in x") == true)
  }
}
