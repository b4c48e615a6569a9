package import Objects
import Synchronization

/// A disk on which one call fails, once; every other call does its work.
///
/// Unlike a `LosingDisk` it goes on afterwards, so that what a verb does to clean up is seen too.
package final class FaultyDisk: Storage {
  /// The calls that are counted together.
  package enum Call: String, Sendable, CaseIterable {
    /// Opening, listing, reading, asking for a size.
    case read
    /// Making, writing, cutting, renaming and removing.
    case write
    /// Making a file or a folder durable.
    case sync
  }

  private let disk = LocalStorage()
  private let call: Call
  private let number: Int
  private let code: Int32
  private let seen = Mutex(0)

  /// - Parameters:
  ///   - call: which calls are counted.
  ///   - number: the one of them that fails, from 1 on.
  ///   - code: the C error number it fails with; EIO if not given.
  package init(failing call: Call, number: Int, code: Int32 = 5) {
    self.call = call
    self.number = number
    self.code = code
  }

  /// Whether the call has come.
  package var hasFailed: Bool { seen.withLock { $0 >= number } }

  fileprivate func count(_ call: Call, _ operation: String, _ path: String) throws(StorageError) {
    guard call == self.call else { return }
    let isIt = seen.withLock { seen in
      seen += 1
      return seen == number
    }
    if isIt { throw StorageError(operation: operation, path: path, code: code) }
  }

  package func create(_ path: String) throws(StorageError) -> any StorageFile {
    try count(.write, "create", path)
    return FaultyFile(try disk.create(path), path: path, disk: self)
  }

  package func open(_ path: String) throws(StorageError) -> any StorageFile {
    try count(.read, "open", path)
    return FaultyFile(try disk.open(path), path: path, disk: self)
  }

  package func rename(_ source: String, to target: String) throws(StorageError) {
    try count(.write, "rename", source)
    try disk.rename(source, to: target)
  }

  package func syncDirectory(_ path: String) throws(StorageError) {
    try count(.sync, "sync", path)
    try disk.syncDirectory(path)
  }

  package func remove(_ path: String) throws(StorageError) {
    try count(.write, "remove", path)
    try disk.remove(path)
  }

  package func makeDirectory(_ path: String) throws(StorageError) {
    try count(.write, "make folder", path)
    try disk.makeDirectory(path)
  }

  package func list(_ path: String) throws(StorageError) -> [String] {
    try count(.read, "list", path)
    return try disk.list(path)
  }
}

/// A file of a faulty disk.
private final class FaultyFile: StorageFile {
  private let file: any StorageFile
  private let path: String
  private let disk: FaultyDisk

  init(_ file: any StorageFile, path: String, disk: FaultyDisk) {
    self.file = file
    self.path = path
    self.disk = disk
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    try disk.count(.write, "write", path)
    try file.write(bytes, at: offset)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError) -> Int {
    try disk.count(.read, "read", path)
    return try file.read(into: buffer, at: offset)
  }

  func truncate(to size: Int) throws(StorageError) {
    try disk.count(.write, "truncate", path)
    try file.truncate(to: size)
  }

  func sync() throws(StorageError) {
    try disk.count(.sync, "sync", path)
    try file.sync()
  }

  func size() throws(StorageError) -> Int {
    try disk.count(.read, "inspect", path)
    return try file.size()
  }
}
