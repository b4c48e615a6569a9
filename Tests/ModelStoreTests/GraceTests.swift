import Foundation
import Lineage
import Objects
import Testing

@testable import ModelStore

@Suite("time for second thoughts") struct GraceTests {
  @Test("a model without a name waits, is listed, and is brought back by its id; when its time is over it goes")
  func unnamed() throws {
    let stage = try Stage()
    let store = try stage.open()
    let report = try store.importCheckpoint(at: try stage.write("x", Stage.model(seed: 1)), name: nil, base: nil)
    let kept = try store.collect()
    #expect(kept.models == 0 && kept.waiting.map(\.id) == [report.id] && kept.waiting[0].lastName == nil)
    #expect(try store.list(all: true).map { $0.goesAfter != nil } == [true])
    _ = try store.tag(report.id, as: "x")
    #expect(try store.collect().waiting.isEmpty)
    #expect(try store.list(all: true).map { $0.goesAfter != nil } == [false])
    _ = try store.remove("x")
    let removed = try store.collect()
    #expect(removed.models == 0 && removed.waiting.map(\.lastName) == ["x"])
    sleep(2)
    #expect(try store.collect(olderThan: 3600).models == 0)
    #expect(try store.collect(olderThan: 1).models == 1)
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("time counts from when the last name was lost, not from when the model was made")
  func lostName() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("x", Stage.model(seed: 1)), name: "x", base: nil)
    _ = try store.importCheckpoint(at: try stage.write("y", Stage.model(seed: 2)), name: "y", base: nil)
    sleep(3)
    // The name goes to another model, which takes it from the first.
    _ = try store.tag("y", as: "x", replacing: true)
    let report = try store.collect(olderThan: 2)
    #expect(report.models == 0 && report.waiting.map(\.lastName) == ["x"])
  }

  @Test("with a clock that is wrong nothing goes, but by --older-than 0")
  func clock() throws {
    let stage = try Stage()
    let store = try stage.open()
    let report = try store.importCheckpoint(at: try stage.write("x", Stage.model(seed: 1)), name: "x", base: nil)
    var event = Event(.name, madeAt: "2099-01-01T00:00:00Z", madeBy: "a machine with another clock")
    event.namings = [.init(name: "x", model: nil, replacing: true)]
    try store.publish(event) { _, _ in }
    let refused = try store.collect()
    #expect(refused.refusal?.contains("2099") == true && refused.models == 0 && refused.packs == 0)
    #expect(try store.list(all: true).map(\.id) == [report.id])
    #expect(try store.collect(olderThan: 0).models == 1)

    let day = 86_400
    #expect(Repository.doubt(about: 1000 * day, after: 1000 * day - 1) == nil)
    #expect(Repository.doubt(about: 1000 * day, after: 1000 * day + 1) != nil)
    #expect(Repository.doubt(about: 1000 * day, after: 650 * day) == nil)
    #expect(Repository.doubt(about: 1000 * day, after: 600 * day) != nil)
  }

  @Test("a clock that was set back makes nothing older")
  func setBack() throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("x", Stage.model(seed: 1)), name: "x", base: nil)
    var event = Event(.name, madeAt: "1999-01-01T00:00:00Z", madeBy: "a machine with another clock")
    event.namings = [.init(name: "x", model: nil, replacing: true)]
    try store.publish(event) { _, _ in }
    let report = try store.collect()
    #expect(report.models == 0 && report.waiting.count == 1)
  }

  @Test("packs and documents that nothing names, as of another store, stay until they are old")
  func strangeFiles() throws {
    let (stage, other) = (try Stage(), try Stage())
    _ = try other.open().importCheckpoint(at: try other.write("x", Stage.model(seed: 1)), name: "x", base: nil)
    let store = try stage.open()
    let files = FileManager.default
    var copied: [String] = []
    for folder in ["packs", "documents"] {
      for path in try files.subpathsOfDirectory(atPath: "\(other.store)/\(folder)")
      where path.hasSuffix(".pack") || path.hasSuffix(".json") {
        let target = "\(stage.store)/\(folder)/\(path)"
        try files.createDirectory(
          atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try files.copyItem(atPath: "\(other.store)/\(folder)/\(path)", toPath: target)
        copied.append(target)
      }
    }
    let report = try store.collect()
    #expect(report.filesWaiting == copied.count && copied.allSatisfy(files.fileExists))
    for path in copied {
      try files.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -15 * 86_400)], ofItemAtPath: path)
    }
    #expect(try store.collect().filesWaiting == 0)
    #expect(!copied.contains(where: files.fileExists))
  }

  @Test("times are read as they are written")
  func times() {
    for time in ["1970-01-01T00:00:00Z", "2026-11-29T09:07:17Z", "2100-02-28T23:59:59Z"] {
      #expect(seconds(since1970: time).map(text(ofTime:)) == time)
    }
    #expect(seconds(since1970: "2026-11-29T09:07:17.123Z") == seconds(since1970: "2026-11-29T09:07:17Z"))
    #expect(seconds(since1970: "yesterday") == nil)
  }
}
