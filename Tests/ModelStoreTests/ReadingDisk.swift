import Objects
import Synchronization

/// The real disk, which counts the bytes that are read from packs.
final class ReadingDisk: Storage {
  private let disk = LocalStorage()
  private let seen = Mutex(0)

  var packBytes: Int { seen.withLock { $0 } }

  func create(_ path: String) throws(StorageError) -> any StorageFile { try disk.create(path) }
  func rename(_ source: String, to target: String) throws(StorageError) { try disk.rename(source, to: target) }
  func syncDirectory(_ path: String) throws(StorageError) { try disk.syncDirectory(path) }
  func remove(_ path: String) throws(StorageError) { try disk.remove(path) }
  func makeDirectory(_ path: String) throws(StorageError) { try disk.makeDirectory(path) }
  func list(_ path: String) throws(StorageError) -> [String] { try disk.list(path) }

  func open(_ path: String) throws(StorageError) -> any StorageFile {
    let file = try disk.open(path)
    guard path.hasSuffix(".pack") else { return file }
    return ReadingFile(file) { count in self.seen.withLock { $0 += count } }
  }
}

/// A file that tells how much is read from it.
private final class ReadingFile: StorageFile {
  private let file: any StorageFile
  private let tell: @Sendable (Int) -> Void

  init(_ file: any StorageFile, tell: @escaping @Sendable (Int) -> Void) {
    self.file = file
    self.tell = tell
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    try file.write(bytes, at: offset)
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError) -> Int {
    let count = try file.read(into: buffer, at: offset)
    tell(count)
    return count
  }

  func truncate(to size: Int) throws(StorageError) { try file.truncate(to: size) }
  func sync() throws(StorageError) { try file.sync() }
  func size() throws(StorageError) -> Int { try file.size() }
}
