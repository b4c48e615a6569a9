import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("stores of format 1")
struct TakeOverTests {
  /// A copy of the store that version 0.1.0 made: five models, a name that moved and one that was taken away, two
  /// advisories, a withdrawal, an evaluation, an allowance, a mask.
  private static func copy(to stage: Stage) throws {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Format1").path
    try FileManager.default.removeItem(atPath: stage.store)
    try FileManager.default.copyItem(atPath: source, toPath: stage.store)
  }

  @Test("a store of version 0.1.0 is refused as it is, and taken over by rebuild")
  func takenOver() throws {
    let stage = try Stage()
    try Self.copy(to: stage)
    let error = try #require(throws: RepositoryError.self) { try stage.open() }
    #expect(error.kind == .unsupported && error.hint?.contains("stemma rebuild") == true)
    let report = try Repository.rebuild(at: stage.store)
    #expect(report.damage == [] && report.names == 6 && report.events == 19)
    let store = try stage.open()
    #expect(try store.list().flatMap(\.names).sorted() == ["base", "best", "code", "control", "fused", "math"])
    #expect(try store.resolve("best") == store.resolve("math"))
    #expect(try store.nameHistory("team/code").map(\.id) == [nil, store.resolve("code").hex])
    #expect(try store.advisories().map(\.isOpen) == [false, true])
    #expect(try store.evaluations(of: "fused").count == 1 && store.allowances().count == 1)
    #expect(try store.list().first { $0.names == ["best", "math"] }?.flags.count == 1)
    #expect(try store.list().first { $0.names == ["fused"] }?.cleared.count == 1)
    #expect(try store.verify().damage.map(\.what) == [])
    for (name, sum) in [
      ("base", "f72ad9ad2783d2bb97558928df49d5bedf799c3888ba780f9e070e7cdd735698"),
      ("math", "16bbc1d976b5ba70045e70920b56ba914e86ae7fcbac25b48f3e7f1b5c5febc1"),
      ("fused", "5e80ab09dc9140ccdc8985d9694553c9415d87159bc8c6a0a82784f4f7056b46"),
    ] {
      let out = "\(stage.folder.path)/\(name)"
      _ = try store.export(name, to: out, permission: Permission(allowsFlagged: true))
      #expect(Digest(of: Array(try Data(contentsOf: URL(fileURLWithPath: out + "/model.safetensors")))).hex == sum)
    }
    // What was kept as documents of names is in the entries now.
    _ = try store.collect(olderThan: 0)
    #expect(try store.verify().garbage == [])
    let before = try Facts(store.lineage)
    try HistoryStage.close(store)
    #expect(try Repository.rebuild(at: stage.store).damage == [])
    #expect(try Facts(stage.open().lineage) == before)
  }

  @Test("two copies of one old store become the same store")
  func same() throws {
    let stages = try (0..<2).map { _ in try Stage() }
    for stage in stages {
      try Self.copy(to: stage)
      _ = try Repository.rebuild(at: stage.store)
    }
    #expect(try Facts(stages[0].open().lineage) == Facts(stages[1].open().lineage))
    #expect(try stages[0].open().history.store == stages[1].open().history.store)
  }
}
