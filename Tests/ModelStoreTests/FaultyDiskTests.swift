import Foundation
import Objects
import TestSupport
import Testing

@testable import ModelStore

/// Lets one call of the disk fail with EIO: each call of a verb in turn, but for reads, of which some are left out.
@Suite("calls of the disk that fail")
struct FaultyDiskTests {
  static let verbs =
    CrashConsistencyTests.verbs.filter { ["import", "merge", "gc"].contains($0.name) } + [
      CrashConsistencyTests.Verb(name: "export") { store, stage in
        try? FileManager.default.removeItem(atPath: stage.folder.path + "/out")
        _ = try store.export("one", to: stage.folder.path + "/out")
      }
    ]

  @Test(
    "a call that fails is told as a fault of the disk, loses nothing, and the verb can be run again",
    arguments: verbs, FaultyDisk.Call.allCases)
  func everyCall(_ verb: CrashConsistencyTests.Verb, _ call: FaultyDisk.Call) throws {
    let prepared = try CrashConsistencyTests.prepared()
    var number = 1
    while true {
      let stage = try Stage(copyOf: prepared)
      let disk = FaultyDisk(failing: call, number: number)
      do {
        try verb.run(try stage.open(storage: disk), stage)
        // Done in spite of it: the call was not needed, such as one that asks for the size of a file that goes.
      } catch let error as RepositoryError {
        #expect(error.kind == .io, "\(call) \(number): \(error)")
        #expect(error.message.contains("input/output error"), "\(call) \(number): \(error)")
        #expect(!stage.holds("out"), "\(call) \(number)")
      }
      guard disk.hasFailed else { break }
      try expectWhole(stage, "\(call) \(number)")
      try verb.run(try stage.open(), stage)
      #expect(try stage.open().verify().damage.isEmpty, "\(call) \(number), run again")
      // Reads come by the dozen and are all alike.
      number += call == .read && number > 10 ? 5 : 1
    }
    // An export reads only, and what it writes is no part of the store.
    #expect(number > 1 || verb.name == "export" && call != .read)
  }

  /// Nothing is damaged, nothing partial lies about, and every model that has a name comes out as it went in.
  private func expectWhole(_ stage: Stage, _ comment: Comment) throws {
    let store = try stage.open()
    let damage = try store.verify().damage
    #expect(damage.isEmpty, comment)
    let names = try store.list().flatMap(\.names)
    #expect(names.contains("one"), comment)
    for name in names where ["one", "two", "three"].contains(name) {
      let back = "\(stage.folder.path)/back-\(UInt32.random(in: 0 ... .max))"
      _ = try store.export(name, to: back)
      #expect(try Stage.same("\(stage.folder.path)/\(name)", back), comment)
    }
    let hidden = try FileManager.default.contentsOfDirectory(atPath: stage.folder.path).filter {
      $0.contains(".partial")
    }
    #expect(hidden.isEmpty, comment)
  }
}
