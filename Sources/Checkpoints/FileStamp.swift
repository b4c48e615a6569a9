internal import Glibc

/// What tells that a file is still the one that was looked at.
package struct FileStamp: Sendable, Hashable {
  package let device: UInt64
  package let inode: UInt64
  package let size: Int
  /// The time of the last change of its bytes, in nanoseconds since 1970.
  package let modified: Int
  /// The time of the last change of its inode: it cannot be put back, as the other can.
  package let changed: Int

  /// The stamp of the file at `path`, links followed.
  ///
  /// - Throws: `CheckpointError.cannotRead`.
  package init(path: String) throws(CheckpointError) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw .failed(path) }
    self.init(status)
  }

  /// The stamp of an open file; `path` names it in errors.
  ///
  /// - Throws: `CheckpointError.cannotRead`.
  package init(descriptor: Int32, path: String) throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .failed(path) }
    self.init(status)
  }

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int(status.st_size)
    modified = Int(status.st_mtim.tv_sec) * 1_000_000_000 + Int(status.st_mtim.tv_nsec)
    changed = Int(status.st_ctim.tv_sec) * 1_000_000_000 + Int(status.st_ctim.tv_nsec)
  }
}

/// A regular file that is open for reading until this value goes away.
struct ReadFile: ~Copyable {
  let stamp: FileStamp
  private let descriptor: Int32
  private let path: String

  init(_ path: String) throws(CheckpointError) {
    // Without O_NONBLOCK a pipe put in the file's place would hang the open.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .failed(path) }
    do throws(CheckpointError) {
      stamp = try FileStamp(descriptor: descriptor, path: path)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    close(descriptor)
  }

  /// Reads exactly `count` bytes.
  func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let step = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
      }
      if step < 0, errno == EINTR { continue }
      guard step >= 0 else { throw .failed(path) }
      guard step > 0 else { throw .cannotRead(path: path, reason: "the file became shorter while it was read") }
      done += step
    }
    return bytes
  }
}

extension CheckpointError {
  /// The last system call on `path` failed, for the reason in `errno`.
  static func failed(_ path: String) -> CheckpointError {
    .cannotRead(path: path, reason: String(cString: strerror(errno)).lowercased())
  }
}
