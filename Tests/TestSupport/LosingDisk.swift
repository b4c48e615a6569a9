package import Objects
import Synchronization

/// A disk that keeps only what was synced, and that loses power at a chosen step.
///
/// It works on real files. After the cut every call fails; `loseUnsynced()` then puts the folder into the state that a
/// real disk could be found in: unsynced bytes and unsynced names are gone, unsynced removals undone.
package final class LosingDisk: Storage {
  /// What the disk may still lose.
  private struct State {
    var steps = 0
    var cut: Int?
    var code: Int32 = 5
    /// Bytes of each file that are durable.
    var durable: [String: Int] = [:]
    /// Names made since their folder was synced, and where their file was before (nil: it is new).
    var fresh: [(path: String, before: String?)] = []
    /// Removed names, and where their files are kept.
    var removed: [(path: String, kept: String)] = []
  }

  private let disk = LocalStorage()
  private let graveyard: String
  private let state = Mutex(State())

  /// - Parameters:
  ///   - cut: the step at which power goes; nil for never.
  ///   - code: the C error number that calls then fail with.
  ///   - graveyard: a folder, in the same file system, for files whose removal is not durable yet.
  package init(cut: Int?, code: Int32 = 5, graveyard: String) {
    self.graveyard = graveyard
    state.withLock {
      $0.cut = cut
      $0.code = code
    }
  }

  /// Steps taken so far.
  package var steps: Int { state.withLock { $0.steps } }

  private func step(_ operation: String, _ path: String) throws(StorageError) {
    let code = state.withLock { state -> Int32? in
      state.steps += 1
      return state.cut.map { state.steps > $0 ? state.code : nil } ?? nil
    }
    if let code { throw StorageError(operation: operation, path: path, code: code) }
  }

  package func create(_ path: String) throws(StorageError) -> any StorageFile {
    try step("create", path)
    let file = try disk.create(path)
    state.withLock {
      $0.durable[path] = 0
      $0.fresh.append((path, nil))
    }
    return LosingFile(file, path: path, disk: self)
  }

  package func open(_ path: String) throws(StorageError) -> any StorageFile { try disk.open(path) }

  package func rename(_ source: String, to target: String) throws(StorageError) {
    try step("rename", source)
    try disk.rename(source, to: target)
    state.withLock {
      $0.durable[target] = $0.durable.removeValue(forKey: source)
      $0.fresh.removeAll { $0.path == source }
      $0.fresh.append((target, source))
    }
  }

  package func syncDirectory(_ path: String) throws(StorageError) {
    try step("sync", path)
    try disk.syncDirectory(path)
    state.withLock { state in
      state.fresh.removeAll { Self.folder(of: $0.path) == path }
      state.removed.removeAll { Self.folder(of: $0.path) == path }
    }
  }

  package func remove(_ path: String) throws(StorageError) {
    try step("remove", path)
    let kept = "\(graveyard)/\(state.withLock { $0.steps })"
    try disk.rename(path, to: kept)
    state.withLock {
      if let index = $0.fresh.firstIndex(where: { $0.path == path }) {
        $0.fresh.remove(at: index)
      } else {
        $0.removed.append((path, kept))
      }
    }
  }

  package func makeDirectory(_ path: String) throws(StorageError) {
    try step("make folder", path)
    try disk.makeDirectory(path)
  }

  package func list(_ path: String) throws(StorageError) -> [String] { try disk.list(path) }

  /// What a power cut now leaves on the disk.
  package func loseUnsynced() throws {
    let state = state.withLock { $0 }
    for (path, before) in state.fresh.reversed() {
      if let before { try disk.rename(path, to: before) } else { try disk.remove(path) }
    }
    for (path, kept) in state.removed { try disk.rename(kept, to: path) }
    for (path, size) in state.durable {
      let place = state.fresh.first { $0.path == path }?.before ?? path
      if let file = try? LocalFile(place, flags: 2, operation: "open"), try file.size() > size {
        try file.truncate(to: size)
      }
    }
  }

  private static func folder(of path: String) -> String {
    String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }

  fileprivate func wrote(_ path: String) throws(StorageError) { try step("write", path) }

  fileprivate func synced(_ path: String, size: Int) throws(StorageError) {
    try step("sync", path)
    state.withLock { $0.durable[path] = size }
  }
}

/// A file of a losing disk.
private final class LosingFile: StorageFile {
  private let file: any StorageFile
  private let path: String
  private let disk: LosingDisk

  init(_ file: any StorageFile, path: String, disk: LosingDisk) {
    self.file = file
    self.path = path
    self.disk = disk
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    try disk.wrote(path)
    try file.write(bytes, at: offset)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError) -> Int {
    try file.read(into: buffer, at: offset)
  }

  func truncate(to size: Int) throws(StorageError) {
    try disk.wrote(path)
    try file.truncate(to: size)
  }

  func sync() throws(StorageError) {
    try disk.synced(path, size: try file.size())
    try file.sync()
  }

  func size() throws(StorageError) -> Int { try file.size() }
}
