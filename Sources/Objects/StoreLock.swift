internal import Glibc

/// The advisory lock of a store: shared for all work, exclusive for what unlinks or replaces files. Held until released
/// or until the process ends, however it ends.
package final class StoreLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock on the file at `path`; nil where another process holds it the other way after `patience` seconds.
  package init?(path: String, exclusive: Bool, patience: Double = 5) throws(StorageError) {
    // A read-only store still takes its shared lock.
    var descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    if descriptor < 0, errno == EROFS || errno == EACCES { descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw StorageError(operation: "open", path: path, code: errno) }
    var waited = 0.0
    while flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 {
      let code = errno
      if code == EINTR { continue }
      guard code == EWOULDBLOCK else {
        close(descriptor)
        throw StorageError(operation: "lock", path: path, code: code)
      }
      guard waited < patience else {
        close(descriptor)
        return nil
      }
      usleep(50_000)
      waited += 0.05
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}
