import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("imports of the checkpoints of one run")
struct RunImportTests {
  private static let steps = 4
  private static let matrix = "model.layers.0.mlp.weight"

  @Test("deltas are on the checkpoint before, whether the start is declared or nothing is", arguments: [true, false])
  func previous(isDeclared: Bool) throws {
    let stage = try Stage()
    let store = try stage.open()
    let models = CheckpointRun.models(Self.steps)
    var matrices: [Digest] = []
    for (step, model) in models.enumerated() {
      let folder = try stage.write("c\(step)", model)
      let report = try store.importCheckpoint(at: folder, name: "c\(step)", base: isDeclared && step > 0 ? "c0" : nil)
      matrices.append(try #require(try store.tensorsByName(of: store.resolve("c\(step)"))[Self.matrix]).digest)
      guard step > 0 else { continue }
      #expect(report.base == "c\(step - 1)", "step \(step): \(report.base ?? "none")")
      // A delta of the norm, 64 bytes, does not pay.
      #expect(report.tensorsDelta >= 2)
      let row = try #require(try store.lineage.object(matrices[step]))
      #expect(row.base == matrices[step - 1], "step \(step)")
      // Against the start alone it would cost more, the more the farther it is.
      let alone = try Stage()
      let other = try alone.open()
      _ = try other.importCheckpoint(at: "\(stage.folder.path)/c0", name: "c0", base: nil)
      let star = try other.importCheckpoint(at: folder, name: "c\(step)", base: "c0")
      if step > 1 {
        #expect(report.bytesAdded * 10 < star.bytesAdded * 9, "step \(step): \(report.bytesAdded), \(star.bytesAdded)")
      }
      let parents = try store.log("c\(step)").nodes[0].derivations[0].parents
      #expect(parents.first?.name == (isDeclared ? "c0" : "c\(step - 1)"))
      #expect(!parents.contains { $0.claimed })
    }
    try CheckpointRun.expectWhole(stage, Self.steps)
  }

  @Test(
    "a run of any length costs little more than if each could rest on the one before",
    arguments: ["c0", "previous", "none"])
  func longRun(declared: String) throws {
    let steps = 20
    let stage = try Stage()
    let store = try stage.open()
    var (added, least, bases) = (0, 0, Set<String>())
    for (step, model) in CheckpointRun.drift(steps).enumerated() {
      let folder = try stage.write("c\(step)", model)
      let base = step == 0 || declared == "none" ? nil : declared == "c0" ? "c0" : "c\(step - 1)"
      let report = try store.importCheckpoint(at: folder, name: "c\(step)", base: base)
      guard step > 0 else { continue }
      added += report.bytesAdded
      let alone = try Stage()
      let other = try alone.open()
      _ = try other.importCheckpoint(at: "\(stage.folder.path)/c\(step - 1)", name: nil, base: nil)
      least += try other.importCheckpoint(at: folder, name: nil, base: nil).bytesAdded
      // What is told is what the bytes are on.
      let told = try #require(report.base)
      bases.insert(told)
      let matrix = try #require(try store.tensorsByName(of: store.resolve("c\(step)"))[Self.matrix]).digest
      let theirs = try #require(try store.tensorsByName(of: store.resolve(told))[Self.matrix]).digest
      #expect(try store.lineage.object(matrix)?.base == theirs, "step \(step)")
      let note = try #require(report.baseNote)
      let isTold = told == "c\(step - 1)" || told == declared
      #expect(note.contains("is full: a sample costs") == !isTold, "step \(step): \(note)")
      #expect(try store.log("c\(step)").nodes[0].derivations[0].parents.allSatisfy { !$0.claimed })
    }
    #expect(added * 100 < least * 115, "\(added) bytes, with chains of any length \(least)")
    #expect(bases.count > steps / 2)
    try CheckpointRun.expectWhole(stage, steps)
  }

  @Test("where the largest tensors are frozen the others choose the base")
  func frozen() throws {
    let stage = try Stage()
    let store = try stage.open()
    let large = (0..<12).map { number in
      Stage.Content(
        name: "model.frozen.\(number)", dtype: .bf16, shape: [600, 32],
        bytes: Stage.weights(600 * 32, seed: 90 + UInt64(number)))
    }
    for (step, model) in CheckpointRun.models(4).enumerated() {
      let folder = try stage.write("c\(step)", model + large)
      let report = try store.importCheckpoint(at: folder, name: "c\(step)", base: nil)
      guard step > 0 else { continue }
      #expect(report.base == "c\(step - 1)" && report.tensorsKnown >= 12, "step \(step): \(report)")
      #expect(report.baseNote?.contains("costs 0 %") == false)
    }
  }

  @Test("a stranger that is declared to be the base does not help")
  func stranger() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("rnd", Stage.model(seed: 8, rows: 512)), name: "rnd", base: nil)
    let folder = try stage.write("one", Stage.model(seed: 1, rows: 512))
    let report = try store.importCheckpoint(at: folder, name: "one", base: "rnd")
    #expect(report.base == nil && report.tensorsDelta == 0 && report.baseNote?.contains("does not help") == true)
  }

  @Test("what deltas are on is said where it is not the declared base, which stays the parent")
  func notes() throws {
    let stage = try CheckpointRun.prepared(2)
    let store = try stage.open()
    let folder = try stage.write("c3", CheckpointRun.models(3)[3])
    let report = try store.importCheckpoint(at: folder, name: "c3", base: "c0")
    #expect(report.baseChoice == "found" && report.base == "c2")
    #expect(report.baseNote?.contains("deltas on c2: a sample costs") == true)
    #expect(try store.log("c3").nodes[0].derivations[0].parents.contains { $0.name == "c0" && !$0.inferred })
  }

  @Test("siblings that are as far as the base are no better, and the declared base it is")
  func siblings() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("base", Stage.model(seed: 1)), name: "base", base: nil)
    for tune in [UInt64(3), 5, 7] {
      let folder = try stage.write("t\(tune)", Stage.model(seed: 1, tune: tune))
      let report = try store.importCheckpoint(at: folder, name: "t\(tune)", base: "base")
      #expect(report.baseChoice == "declared" && report.base == "base")
    }
  }
}
