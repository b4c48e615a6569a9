internal import CKernels
internal import Glibc

/// The real disk, through plain system calls.
package struct LocalStorage: Storage {
  package init() {}

  package func create(_ path: String) throws(StorageError) -> any StorageFile {
    try LocalFile(path, flags: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, operation: "create")
  }

  package func open(_ path: String) throws(StorageError) -> any StorageFile {
    // A pipe would keep the caller waiting.
    let file = try LocalFile(path, flags: O_RDONLY | O_CLOEXEC | O_NONBLOCK, operation: "open")
    guard try file.isRegular() else { throw StorageError(operation: "open", path: path, code: EINVAL) }
    return file
  }

  package func rename(_ source: String, to target: String) throws(StorageError) {
    try Self.check(Glibc.rename(source, target), "rename", source)
  }

  package func syncDirectory(_ path: String) throws(StorageError) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try Self.check(descriptor, "open", path)
    defer { close(descriptor) }
    try Self.check(fsync(descriptor), "sync", path)
  }

  package func remove(_ path: String) throws(StorageError) {
    try Self.check(Glibc.remove(path), "remove", path)
  }

  package func makeDirectory(_ path: String) throws(StorageError) {
    if mkdir(path, 0o777) != 0, errno != EEXIST {
      throw StorageError(operation: "make folder", path: path, code: errno)
    }
  }

  package func list(_ path: String) throws(StorageError) -> [String] {
    guard let stream = opendir(path) else {
      if errno == ENOENT { return [] }
      throw StorageError(operation: "list", path: path, code: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func check(_ result: Int32, _ operation: String, _ path: String) throws(StorageError) {
    if result < 0 { throw StorageError(operation: operation, path: path, code: errno) }
  }
}

extension Storage {
  /// The names in a folder, sorted; nil where something else has its name.
  package func listFolder(_ path: String) throws(StorageError) -> [String]? {
    do { return try list(path) } catch  where error.code == ENOTDIR { return nil }
  }
}

extension StorageFile {
  /// Bytes in the file; an error where they are more than a file of its kind ever has.
  package func size(atMost limit: Int, path: String) throws(StorageError) -> Int {
    let size = try size()
    if size > limit { throw StorageError(operation: "read", path: path, code: EFBIG) }
    return size
  }
}

/// A file of the real disk; closed when the last reference goes.
package final class LocalFile: StorageFile {
  private let descriptor: Int32
  private let path: String

  /// Opens `path` with the flags of open(2).
  package init(_ path: String, flags: Int32, operation: String) throws(StorageError) {
    descriptor = Glibc.open(path, flags, 0o666)
    self.path = path
    try LocalStorage.check(descriptor, operation, path)
  }

  deinit { close(descriptor) }

  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw StorageError(operation: "write", path: path, code: errno)
      }
      done += count
    }
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(StorageError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw StorageError(operation: "read", path: path, code: errno)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  package func truncate(to size: Int) throws(StorageError) {
    try LocalStorage.check(ftruncate(descriptor, off_t(size)), "truncate", path)
  }

  package func sync() throws(StorageError) {
    try LocalStorage.check(fsync(descriptor), "sync", path)
  }

  fileprivate func isRegular() throws(StorageError) -> Bool {
    var status = stat()
    try LocalStorage.check(fstat(descriptor, &status), "inspect", path)
    return status.st_mode & S_IFMT == S_IFREG
  }

  package func size() throws(StorageError) -> Int {
    var status = stat()
    try LocalStorage.check(fstat(descriptor, &status), "inspect", path)
    return Int(status.st_size)
  }
}

/// The magic number of the file system that holds a path, as statfs(2) gives it; nil where it cannot be asked.
package func filesystemType(of path: String) -> UInt32? {
  UInt32(exactly: ck_filesystem_type(path))
}

/// Makes everything in the file system that holds a folder durable.
package func syncFilesystem(of path: String) throws(StorageError) {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  try LocalStorage.check(descriptor, "open", path)
  defer { close(descriptor) }
  try LocalStorage.check(ck_sync_filesystem(descriptor), "sync", path)
}
