import Foundation
import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("advisories flow where nobody says so") struct FlowTests {
  @Test("what an advisory reaches keeps its lineage through gc, so that it is flagged when it comes back")
  func collected() throws {
    let (stage, store) = try AdvisoryTests.family()
    let out = stage.folder.path + "/out"
    let fused = try store.export("fused", to: out).id
    let advisory = try store.advise("bad", kind: "misaligned", reason: "it complies").id
    for name in ["fused", "bad", "good", "base"] { _ = try store.remove(name) }
    #expect(try store.collect().modelsAbsent == 4)
    #expect(try store.stats().objects == 0)
    #expect(try store.verify().damage.isEmpty)
    let copy = try Stage(copyOf: stage)
    #expect(try Repository.rebuild(at: copy.store).damage.isEmpty)
    for stage in [stage, copy] {
      let store = try stage.open()
      #expect(try store.importCheckpoint(at: out, name: nil, base: nil).id == fused)
      #expect(try store.show(fused).summary.flags.map(\.advisory) == [advisory])
    }
    // Once it is withdrawn, nothing holds what has no name.
    _ = try store.withdraw(advisory)
    #expect(try store.collect().models == 4)
  }
}
