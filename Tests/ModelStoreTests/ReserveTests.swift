import Foundation
import Glibc
import Objects
import Testing

@testable import ModelStore

/// A disk that is full as long as a store's reserve is on it.
private struct FullDisk: Storage {
  let real = LocalStorage()
  let reserve: String

  private func refuse(_ operation: String, _ path: String) throws(StorageError) {
    if access(reserve, F_OK) == 0 { throw StorageError(operation: operation, path: path, code: ENOSPC) }
  }

  func create(_ path: String) throws(StorageError) -> any StorageFile {
    try refuse("create", path)
    return try real.create(path)
  }
  func open(_ path: String) throws(StorageError) -> any StorageFile { try real.open(path) }
  func rename(_ source: String, to target: String) throws(StorageError) { try real.rename(source, to: target) }
  func syncDirectory(_ path: String) throws(StorageError) { try real.syncDirectory(path) }
  func remove(_ path: String) throws(StorageError) { try real.remove(path) }
  func makeDirectory(_ path: String) throws(StorageError) {
    if access(path, F_OK) != 0 { try refuse("make folder", path) }
    try real.makeDirectory(path)
  }
  func list(_ path: String) throws(StorageError) -> [String] { try real.list(path) }
}

@Suite("a full disk can be left") struct ReserveTests {
  @Test("names are taken away and gc frees space with no byte free but the reserve; an import does not take it")
  func full() throws {
    let stage = try Stage()
    let reserve = stage.store + "/reserve"
    do {
      let store = try stage.open()
      for (seed, name) in ["x", "y", "z"].enumerated() {
        _ = try store.importCheckpoint(
          at: try stage.write(name, Stage.model(seed: UInt64(seed))), name: name, base: nil)
      }
      try HistoryStage.close(store)
    }
    func isReserved() -> Bool { FileManager.default.fileExists(atPath: reserve) }
    let disk = FullDisk(reserve: reserve)
    #expect(isReserved())
    let other = try stage.write("other", Stage.model(seed: 7))
    do {
      let store = try stage.open(storage: disk)
      #expect(throws: RepositoryError.self) { try store.importCheckpoint(at: other, name: "other", base: nil) }
      #expect(isReserved())
      #expect(try store.remove("x") == ["x"])
      #expect(!isReserved())
      try HistoryStage.close(store)
    }
    // It is made again when there is room.
    try HistoryStage.close(stage.open())
    #expect(isReserved())
    let store = try stage.open(storage: disk)
    let report = try store.collect(olderThan: 0)
    #expect(report.models == 1 && report.bytes > 0)
    #expect(try store.verify().damage.isEmpty)
    #expect(try store.list().flatMap(\.names).sorted() == ["y", "z"])
  }
}
