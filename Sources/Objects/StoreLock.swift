internal import Glibc

/// The advisory lock of a store: shared for all work, exclusive for what unlinks or replaces files. Held until released
/// or until the process ends, however it ends.
package final class StoreLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock on the file at `path`; nil where another process holds it the other way after `patience` seconds.
  ///
  /// - Parameter queue: a file by which those who wait for the exclusive lock hold back new shared ones, so that a busy
  ///   store has its turn for them; for ten seconds at most.
  package init?(
    path: String, exclusive: Bool, patience: Double = 5, queue: String? = nil
  ) throws(StorageError) {
    let turn = queue.flatMap { Self.wait(in: $0, exclusive: exclusive, Self.queuePatience) }
    defer { if let turn { close(turn) } }
    let descriptor = Self.open(path)
    guard descriptor >= 0 else { throw StorageError(operation: "open", path: path, code: errno) }
    let code = Self.lock(descriptor, exclusive: exclusive, patience)
    guard code == 0 else {
      close(descriptor)
      if code == EWOULDBLOCK { return nil }
      throw StorageError(operation: "lock", path: path, code: code)
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Makes an exclusive lock a shared one, which cannot fail.
  package func share() {
    while flock(descriptor, LOCK_SH) != 0, errno == EINTR {}
  }

  /// How long new shared locks are held back, in seconds.
  private static let queuePatience = 10.0

  /// A read-only store still takes its shared lock.
  private static func open(_ path: String) -> Int32 {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor < 0, errno == EROFS || errno == EACCES else { return descriptor }
    return Glibc.open(path, O_RDONLY | O_CLOEXEC)
  }

  /// The place in the queue, to be closed when the lock is had; nil where it was waited for long enough, or cannot be.
  private static func wait(in queue: String, exclusive: Bool, _ patience: Double) -> Int32? {
    let descriptor = open(queue)
    guard descriptor >= 0 else { return nil }
    if lock(descriptor, exclusive: exclusive, patience) == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  /// Locks a file; 0, or the error's number: EWOULDBLOCK where others hold it all the time.
  private static func lock(_ descriptor: Int32, exclusive: Bool, _ patience: Double) -> Int32 {
    var waited = 0.0
    while flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 {
      let code = errno
      if code == EINTR { continue }
      guard code == EWOULDBLOCK, waited < patience else { return code }
      usleep(50_000)
      waited += 0.05
    }
    return 0
  }
}
