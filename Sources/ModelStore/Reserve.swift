import Glibc
import Lineage
import Objects

/// A file of up to 4 MiB that is given up when the disk is full, so that names can be taken away and `gc` can free
/// space with no byte free.
struct Reserve {
  /// Of a small disk a sixteenth of what is free.
  private static let bytes = (least: 256 << 10, most: 4 << 20)
  let layout: Layout

  private var path: String { layout.root + "/reserve" }

  /// Makes the file where there is none and the disk has room. Nothing depends on it, so failures pass.
  func make() {
    guard !exists(path), let free = freeBytes(at: layout.root) else { return }
    let count = max(Self.bytes.least, min(Self.bytes.most, free / 16))
    if free < 2 * count { return }
    let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { return }
    defer { close(file) }
    if posix_fallocate(file, 0, off_t(count)) != 0 { unlink(path) }
  }

  /// Runs what makes room or needs little of it. Where the disk is full the file is given up, and it is run again.
  func spending<T>(_ body: () throws -> T) throws -> T {
    do { return try body() } catch {
      guard Self.isFull(error), unlink(path) == 0 else { throw error }
      return try body()
    }
  }

  /// Whether an error says that the disk has no room.
  static func isFull(_ error: any Error) -> Bool {
    switch error {
    case let error as StorageError: error.code == ENOSPC || error.code == EDQUOT
    case LineageError.diskFull: true
    // SQLite's shared memory could not be made: SQLITE_IOERR_SHMSIZE and _SHMOPEN, and a write that failed.
    case LineageError.io(let code, _): [4874, 4618, 778].contains(code)
    default: false
    }
  }
}
