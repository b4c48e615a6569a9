internal import SystemPackage

/// A disk, as the store sees it: the seam behind which tests put one that fails.
///
/// Paths are absolute or relative to the working directory. Every call may throw `StorageError`. Nothing is durable
/// until `StorageFile.sync()` (a file's bytes) or `syncDirectory` (the names in a folder) has returned.
package protocol Storage: Sendable {
  /// Makes a new file for reading and writing; fails where the path exists.
  func create(_ path: String) throws(StorageError) -> any StorageFile
  /// Opens an existing file for reading.
  func open(_ path: String) throws(StorageError) -> any StorageFile
  /// Gives a file another name in the same file system, replacing what had it. Atomic.
  func rename(_ source: String, to target: String) throws(StorageError)
  /// Makes the names in a folder durable.
  func syncDirectory(_ path: String) throws(StorageError)
  /// Removes a file or an empty folder.
  func remove(_ path: String) throws(StorageError)
  /// Makes a folder; fine where it exists.
  func makeDirectory(_ path: String) throws(StorageError)
  /// The names in a folder, sorted; empty where the folder does not exist.
  func list(_ path: String) throws(StorageError) -> [String]
}

/// An open file behind the `Storage` seam.
package protocol StorageFile: AnyObject, Sendable {
  /// Writes all the bytes at an offset.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError)
  /// Fills the buffer from an offset; fewer bytes only at the end of the file.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError) -> Int
  /// Cuts or extends the file.
  func truncate(to size: Int) throws(StorageError)
  /// Makes the bytes durable.
  func sync() throws(StorageError)
  /// Bytes in the file.
  func size() throws(StorageError) -> Int
}

/// A system call that failed.
package struct StorageError: Error, Sendable, CustomStringConvertible {
  package let operation: String
  package let path: String
  /// The C error number, for example ENOSPC.
  package let code: Int32

  package init(operation: String, path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  package var description: String {
    "cannot \(operation) \(path): \(Errno(rawValue: code).description.lowercased())"
  }
}
